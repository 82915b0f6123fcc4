/** A machine's first use of a package: nothing is cached but what has to come from elsewhere. */
import { MANIFEST } from "./registry.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

export interface DenoHome extends AsyncDisposable {
  /** An empty directory to run in: no deno.json is above it that would stand for the package. */
  readonly cwd: string;
  /** Environment of a `deno` that takes its packages from that registry into a cache of its own. */
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
  const info = JSON.parse(await outputOf(["info", "--json", `${ROOT}main.ts`]));
  const cache: string = JSON.parse(await outputOf(["info", "--json"])).npmCache;
  const names = programPackages(info.npmPackages);
  for await (const registry of listOrNothing(cache)) {
    for (const name of names) {
      const from = `${cache}/${registry.name}/${name}`;
      const to = `${target}/${registry.name}/${name}`;
      await Deno.mkdir(to, { recursive: true });
      await new Deno.Command("cp", { args: ["-r", `${from}/.`, to], stderr: "null" }).output();
    }
  }
}

async function outputOf(args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return new TextDecoder().decode(stdout);
}

/** Packages by `NAME@VERSION`, as `deno info` tells them; those of tests are among them. */
type NpmPackages = Record<string, { name: string; dependencies: string[] }>;

/** The names of the packages that deno.json has for the program, and of what these need. */
function programPackages(all: NpmPackages): Set<string> {
  const ids = Object.values(MANIFEST.imports)
    .flatMap((from) => from.startsWith("npm:") ? [from.slice("npm:".length)] : []);
  const names = new Set<string>();
  for (const id of ids) {
    const { name, dependencies } = all[id]!;
    names.add(name);
    ids.push(...dependencies); // the loop comes to them too; none of ours is in a circle
  }
  return names;
}

async function* listOrNothing(folder: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(folder);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
