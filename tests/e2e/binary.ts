/**
 * ttun as one file, as a user downloads it: built anew for each test file that asks for it, from
 * the sources as they are. Building takes a second or two, so nothing is kept between test files,
 * and nothing is left behind.
 */
import { hostTarget } from "../../release/targets.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A build as `deno task build` makes it, with SHA256SUMS beside the file. */
export interface Build {
  readonly folder: string;
  /** The file, by its whole path. */
  readonly file: string;
  /** The name of the file. */
  readonly name: string;
}

let build: Promise<Build> | null = null;

/** The build for this machine; the first call makes it. */
export function builtBinary(): Promise<Build> {
  return build ??= makeBuild();
}

async function makeBuild(): Promise<Build> {
  const target = hostTarget();
  if (target === undefined) throw new Error(`ttun is not built for ${Deno.build.target}`);
  const folder = await Deno.makeTempDir({ prefix: "ttun-build-" });
  // The end of this test file: what it leaves open is no concern of the last test alone.
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  // The compiler's own download is for what nobody has put into the npm registry.
  const compiler = target.name === "linux-x64" ? 'eval "$(tests/tools/denort)"' : ":";
  await outside(
    `
    ${compiler}
    export COMPILE_DENO DENORT_BIN DENO_TLS_CA_STORE
    exec "$0" run -A build.ts --only "$1" --out "$2"`,
    [target.name, folder],
  );
  return { folder, file: `${folder}/${target.file}`, name: target.file };
}

/**
 * Runs a script where the machine's network is, and returns what it prints: the tests have one
 * without a way out, and what is not in Deno's cache is fetched once.
 */
export async function outside(script: string, args: string[]): Promise<string> {
  const enter = ["-t", `${Deno.ppid}`, "-n", "--", "bash", "-euc", script, Deno.execPath()];
  const { success, stdout, stderr } = await new Deno.Command("nsenter", {
    args: [...enter, ...args],
    cwd: ROOT,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new Error(`This failed:\n${script}\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}
