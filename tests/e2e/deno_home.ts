/** A machine's first use of a package: nothing is cached but what has to come from elsewhere. */
import { MANIFEST } from "./registry.ts";

export interface DenoHome extends AsyncDisposable {
  /** An empty directory to run in: no deno.json is above it that would stand for the package. */
  readonly cwd: string;
  /** What a `deno` needs to take its packages from that registry into a cache of its own. */
  env(registryUrl: string): Record<string, string>;
}

export async function freshDenoHome(): Promise<DenoHome> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-deno-" });
  await Deno.mkdir(`${folder}/cwd`);
  await takeNpmPackages(`${folder}/deno/npm`);
  return {
    cwd: `${folder}/cwd`,
    env: (url) => ({ JSR_URL: url, DENO_DIR: `${folder}/deno`, NO_COLOR: "1" }),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/**
 * Copies the npm packages that the test run has fetched: from inside a network namespace there is
 * no way to their registry. What is not there is left to Deno.
 */
async function takeNpmPackages(target: string): Promise<void> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const cache: string = JSON.parse(new TextDecoder().decode(stdout)).npmCache;
  const names = Object.keys(MANIFEST.imports);
  for await (const registry of listOrNothing(cache)) {
    for (const name of names) {
      const from = `${cache}/${registry.name}/${name}`;
      const to = `${target}/${registry.name}/${name}`;
      await Deno.mkdir(to, { recursive: true });
      await new Deno.Command("cp", { args: ["-r", `${from}/.`, to], stderr: "null" }).output();
    }
  }
}

async function* listOrNothing(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
