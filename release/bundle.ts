/** Parts of an executable: the entries of the main thread and of its Worker, and licences. */
export interface Program {
  readonly main: string;
  /** Paths that no import tells. */
  readonly included: readonly string[];
}

const ROOT = new URL("..", import.meta.url).pathname;
/** Entries of Workers, and the names by which the sources start them. */
const WORKERS = [
  { entry: "src/cli/data_plane", named: "../data_plane.ts" },
  { entry: "src/io/quic/quic_worker", named: "./quic_worker.ts" },
  { entry: "src/io/tox/tox_worker", named: "./tox_worker.ts" },
  { entry: "src/io/mesh/sqlite_worker", named: "./sqlite_worker.ts" },
] as const;

/** Some four hundred files. */
export const SOURCES: Program = {
  main: "main.ts",
  included: WORKERS.map(({ entry }) => `${entry}.ts`),
};

/** Names in the bundler's output that mean something else there, each of which occurs once. */
const REWRITTEN: readonly (readonly [before: string, after: string])[] = [
  ...WORKERS.map(({ entry, named }) =>
    [`new URL("${named}", import.meta.url)`, `new URL("./${entry}.js", import.meta.url)`] as const
  ),
  // The bundler's own `require` loads node:module in every process; packages require only built-ins.
  ['import { createRequire as __deno_internal_createRequire } from "node:module";\n', ""],
  [
    "__deno_internal_createRequire(import.meta.url)",
    "(name) => globalThis.process.getBuiltinModule(name)",
  ],
];

/**
 * Makes a few dozen files of the sources and packages, which start in half the time; `folder` gets
 * them and the packages' licences. Returns the reason if Deno cannot bundle here: its bundler is a
 * package that it downloads.
 * @throws {Error} if the bundler's output is not what is known of it
 */
export async function bundle(folder: string): Promise<Program | string> {
  const options = ["--platform", "deno", "--code-splitting", "--outdir", folder];
  const made = await deno("bundle", ...options, SOURCES.main, ...SOURCES.included);
  if (made.code !== 0) return made.error;
  await rewrite(folder);
  await Deno.writeTextFile(`${folder}/LICENSES`, await licences());
  const entries = WORKERS.map(({ entry }) => `${folder}/${entry}.js`);
  return { main: `${folder}/main.js`, included: [...entries, `${folder}/LICENSES`] };
}

async function rewrite(folder: string): Promise<void> {
  const missing = new Set(REWRITTEN);
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    if (!isFile) continue;
    const file = `${folder}/${name}`;
    let text = await Deno.readTextFile(file);
    for (const rule of REWRITTEN) {
      const [before, after] = rule;
      const parts = text.split(before);
      if (parts.length === 1) continue;
      if (parts.length > 2 || !missing.delete(rule)) throw new Error(`Not once: ${before}`);
      text = parts.join(after);
    }
    await Deno.writeTextFile(file, text);
  }
  for (const [before] of missing) throw new Error(`Not once: ${before}`);
}

/** The bundler leaves out comments; the packages' terms want their notice in every copy. */
async function licences(): Promise<string> {
  const { output } = await deno("info", "--json", SOURCES.main);
  const packages: Record<string, { localPath: string }> = JSON.parse(output).npmPackages;
  const texts = Object.entries(packages).map(async ([name, { localPath }]) =>
    `${name}\n\n${await Deno.readTextFile(`${localPath}/LICENSE`)}`
  );
  return (await Promise.all(texts)).join("\n\n");
}

async function deno(...args: string[]): Promise<{ code: number; output: string; error: string }> {
  const options = { args, cwd: ROOT, env: { NO_COLOR: "1" }, stdin: "null" } as const;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  const text = new TextDecoder();
  return { code, output: text.decode(stdout), error: text.decode(stderr).trim() };
}
