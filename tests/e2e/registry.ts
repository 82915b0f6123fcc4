/**
 * A registry that serves this package as jsr.io does (https://jsr.io/docs/api, "Registry API"): the
 * versions that there are, what a version exports, and its files with their checksums.
 */

const ROOT = new URL("../../", import.meta.url);

/** The parts of deno.json that are read here. */
interface Manifest {
  name: string;
  version: string;
  exports: Record<string, string>;
  imports: Record<string, string>;
}

export const MANIFEST: Manifest = JSON.parse(
  await Deno.readTextFile(new URL("deno.json", ROOT)),
);

/** The files that `deno publish` would upload, as paths from the root. */
export async function publishedFiles(): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty", "--no-check"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (code !== 0) throw new Error(`The dry run failed with code ${code}:\n${output}`);
  // Each has a line of its own: `   file:///…/main.ts (74B)`.
  return [...output.matchAll(/^ +(file:\/\/.+) \([\d.]+\w+\)$/gm)].map(([, url]) => {
    if (!url!.startsWith(ROOT.href)) throw new Error(`This would be published: ${url}`);
    return decodeURIComponent(url!.slice(ROOT.href.length));
  });
}

/**
 * Changes a source as `deno publish` does before it uploads it: bare specifiers become what the import
 * map has for them (`npm:@noble/…`), because a package takes no import map along. (It parses the
 * file; as this project writes its imports, a search is enough.)
 */
export function unfurl(source: string, imports: Record<string, string>): string {
  return source.replaceAll(/(\bfrom |\bimport )"([^"]+)"/g, (whole, before, specifier) => {
    const key = Object.keys(imports).find((k) => specifier === k || specifier.startsWith(`${k}/`));
    return key === undefined ? whole : `${before}"${imports[key]}${specifier.slice(key.length)}"`;
  });
}

/** The package as it is uploaded: bytes by path, as `/main.ts`. */
export type Package = Map<string, Uint8Array<ArrayBuffer>>;

export async function packPackage(): Promise<Package> {
  const files: Package = new Map();
  for (const path of await publishedFiles()) {
    const bytes = await Deno.readFile(new URL(path, ROOT));
    const text = path.endsWith(".ts")
      ? unfurl(new TextDecoder().decode(bytes), MANIFEST.imports)
      : null;
    files.set(`/${path}`, text === null ? bytes : new TextEncoder().encode(text));
  }
  return files;
}

export interface Registry extends AsyncDisposable {
  readonly port: number;
  /** Files that are served from now on. Checksums stay those of the beginning. */
  readonly files: Package;
  /** The paths that were asked for so far. */
  readonly asked: readonly string[];
}

/** Serves a package on a port that the kernel chooses. */
export async function serveRegistry(files: Package, hostname: string): Promise<Registry> {
  const { name, version, exports } = MANIFEST;
  const [scope, short] = name.slice(1).split("/");
  const versions = { [version]: { createdAt: "2026-01-01T00:00:00Z" } };
  const manifest: Record<string, { size: number; checksum: string }> = {};
  for (const [path, bytes] of files) {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
    manifest[path] = { size: bytes.length, checksum: `sha256-${hash}` };
  }
  const asked: string[] = [];
  const answer = (path: string): Response => {
    if (path === `/${name}/meta.json`) {
      return Response.json({ scope, name: short, latest: version, versions });
    }
    if (path === `/${name}/${version}_meta.json`) return Response.json({ manifest, exports });
    const folder = `/${name}/${version}`;
    const file = path.startsWith(`${folder}/`) ? files.get(path.slice(folder.length)) : undefined;
    if (file === undefined) return new Response("not found", { status: 404 });
    const type = path.endsWith(".ts") ? "text/typescript" : "application/json";
    return new Response(file, { headers: { "content-type": type } });
  };
  const server = Deno.serve({ hostname, port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    asked.push(pathname);
    return answer(pathname);
  });
  return {
    port: server.addr.port,
    files,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Run by itself, on a host of a test's own: prints its port, and ends with its input. */
if (import.meta.main) {
  await using registry = await serveRegistry(await packPackage(), "0.0.0.0");
  console.log(`registry on port ${registry.port}`);
  for await (const _ of Deno.stdin.readable);
}
