/**
 * The Debian package of a built file: `deno run -A release/deb.ts FILE OUTDIR [--fast]` prints the
 * package's path. --fast packs it in seconds and larger, for tests. It takes dpkg-deb.
 */
import { COMPLETIONS } from "../src/cli/command/completions.ts";
import { manPage } from "../src/cli/command/man_page.ts";
import { COMMANDS } from "../src/cli/command/commands.ts";
import {
  type Architecture,
  ARCHITECTURES,
  changelog,
  control,
  copyright,
  DEB_VERSION,
} from "./deb_texts.ts";
import { fileFormat, FORMAT_BYTES } from "./file_format.ts";
import { outputOf } from "./tool.ts";

const HERE = new URL(".", import.meta.url).pathname;

const UNITS = [
  "ttun-server.service",
  "ttun-client@.service",
  "ttun-proxy-server.service",
  "ttun-proxy-client@.service",
];

const DOC = "usr/share/doc/ttun";

export interface DebOptions {
  /** Less packing in less time. */
  readonly fast?: boolean;
}

/** Packs `file`, which must be ttun for Linux, into a package in `outDir`; returns its path. */
export async function buildDeb(file: string, outDir: string, o: DebOptions = {}): Promise<string> {
  const architecture = await architectureOf(file);
  const time = await sourceTime();
  const root = await Deno.makeTempDir({ prefix: "ttun-deb-" });
  try {
    await Deno.chmod(root, 0o755);
    await layOut(file, root, time);
    await put(root, "DEBIAN/control", control(architecture, await kibibytesIn(root)));
    for (const script of ["postinst", "prerm", "postrm"]) {
      await put(root, `DEBIAN/${script}`, await here(`debian/${script}`), 0o755);
    }
    await Deno.mkdir(outDir, { recursive: true });
    const path = `${outDir}/ttun_${DEB_VERSION}_${architecture.name}.deb`;
    const packing = o.fast ? ["-Zgzip", "-z1"] : ["-Zxz"];
    const args = [...packing, "--root-owner-group", "--build", root, path];
    await outputOf("dpkg-deb", args, { env: { SOURCE_DATE_EPOCH: `${time}` } });
    return path;
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

async function layOut(file: string, root: string, time: number): Promise<void> {
  await put(root, "usr/bin/ttun", await Deno.readFile(file), 0o755);
  await put(root, "usr/share/man/man1/ttun.1.gz", await gzip(manPage(COMMANDS)));
  await put(root, "usr/share/bash-completion/completions/ttun", COMPLETIONS.bash(COMMANDS));
  await put(root, "usr/share/zsh/vendor-completions/_ttun", COMPLETIONS.zsh(COMMANDS));
  await put(root, "usr/share/fish/vendor_completions.d/ttun.fish", COMPLETIONS.fish(COMMANDS));
  for (const unit of UNITS) {
    await put(root, `usr/lib/systemd/system/${unit}`, await here(`systemd/${unit}`));
  }
  await put(root, `${DOC}/copyright`, copyright(await here("../LICENSE")));
  await put(root, `${DOC}/changelog.gz`, await gzip(changelog(time)));
}

async function architectureOf(file: string): Promise<Architecture> {
  using opened = await Deno.open(file);
  const bytes = new Uint8Array(FORMAT_BYTES);
  const found = fileFormat(bytes.subarray(0, await opened.read(bytes) ?? 0));
  if (found?.format === "ELF" && typeof found.machine === "string") {
    return ARCHITECTURES[found.machine];
  }
  throw new Error(`Cannot make a Debian package of ${file}: it is no program for Linux`);
}

/** One time for all files of the package, so that the same sources make the same package. */
async function sourceTime(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH") ??
    await textOf("git", ["-C", HERE, "log", "-1", "--format=%ct"]).catch(() => "");
  return /^\d+$/.test(given.trim()) ? Number(given) : Math.floor(Date.now() / 1000);
}

async function kibibytesIn(root: string): Promise<number> {
  return Number.parseInt(await textOf("du", ["-sk", "--apparent-size", root]));
}

async function here(path: string): Promise<string> {
  return await Deno.readTextFile(HERE + path);
}

async function put(root: string, path: string, content: string | Uint8Array, mode = 0o644) {
  const whole = `${root}/${path}`;
  const folder = whole.slice(0, whole.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(
    whole,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  // Whatever the umask is. dpkg-deb wants folders that anyone can read.
  await Deno.chmod(whole, mode);
  for (let at = folder; at.length > root.length; at = at.slice(0, at.lastIndexOf("/"))) {
    await Deno.chmod(at, 0o755);
  }
}

/** Without a name and a time in it. */
async function gzip(text: string): Promise<Uint8Array> {
  return await outputOf("gzip", ["-9n"], { input: new TextEncoder().encode(text) });
}

async function textOf(command: string, args: string[]): Promise<string> {
  return new TextDecoder().decode(await outputOf(command, args));
}

if (import.meta.main) {
  const [file, outDir, ...rest] = Deno.args;
  if (file === undefined || outDir === undefined || rest.some((word) => word !== "--fast")) {
    console.error("Usage: deno run -A release/deb.ts FILE OUTDIR [--fast]");
    Deno.exit(2);
  }
  try {
    console.log(await buildDeb(file, outDir, { fast: rest.length > 0 }));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
