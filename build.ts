/**
 * `deno task build [--only NAME,…] [--deb] [--out DIR]`: one standalone executable for each system
 * into build/, with --deb a Debian package for each Linux one, the script that installs them,
 * SHA256SUMS and a README of what each file is. Every file is looked at before it is
 * listed; a target that cannot be built is named with the reason, and makes the exit code 1.
 *
 * COMPILE_DENO names the Deno that compiles (default: this one). DENORT_BIN names the runtime that
 * it embeds; it is for this machine's target alone, and must be of the compiler's version: `deno
 * compile` takes any other without a word and writes a file that cannot run.
 */
import { parseArgs } from "node:util";
import manifest from "./deno.json" with { type: "json" };
import { bundle, SOURCES } from "./release/bundle.ts";
import { compile } from "./release/compile.ts";
import { buildDeb } from "./release/deb.ts";
import { writeInstaller } from "./release/installer.ts";
import { hostTarget, type Target, TARGETS } from "./release/targets.ts";

const values = readOptions();
const wanted = values.only?.split(",") ?? TARGETS.map(({ name }) => name);
const unknown = wanted.filter((name) => !TARGETS.some((target) => target.name === name));
if (unknown.length > 0) {
  refuse(`No target ${unknown.join(", ")}; there are: ${TARGETS.map((t) => t.name).join(", ")}`);
}
const denort = Deno.env.get("DENORT_BIN");
if (denort !== undefined && !isFile(denort)) {
  refuse(`There is no file ${denort}, which DENORT_BIN names`);
}
const out = await Deno.realPath(await makeDirectory(values.out));
const folder = await Deno.makeTempDir({ prefix: "ttun-bundle-" });
const bundled = await bundle(folder);
if (typeof bundled === "string") {
  console.error(`not bundled, so that it starts more slowly: ${bundled}`);
}
const compiler = {
  deno: Deno.env.get("COMPILE_DENO") ?? Deno.execPath(),
  denort,
  version: manifest.version,
  program: typeof bundled === "string" ? SOURCES : bundled,
};
const built: { target: Target; sum: string; bytes: number }[] = [];
const packages: { name: string; sum: string }[] = [];
let failed = 0;
for (const target of TARGETS.filter(({ name }) => wanted.includes(name))) {
  const file = `${out}/${target.file}`;
  const problem = await compile(target, file, compiler).catch((error) => String(error));
  if (problem === null) {
    const content = await Deno.readFile(file);
    built.push({ target, sum: await sha256(content), bytes: content.length });
    console.log(`built ${target.file}, ${(content.length / 1e6).toFixed(1)} MB`);
    if (values.deb && target.format === "ELF") {
      const deb = await buildDeb(file, out);
      packages.push({
        name: deb.slice(out.length + 1),
        sum: await sha256(await Deno.readFile(deb)),
      });
    }
  } else {
    failed++;
    console.error(`cannot build ${target.file}: ${problem}`);
  }
}
await Deno.remove(folder, { recursive: true });
await Deno.writeTextFile(
  `${out}/SHA256SUMS`,
  [...built.map(({ target, sum }) => [sum, target.file]), ...packages.map((p) => [p.sum, p.name])]
    .map(([sum, name]) => `${sum}  ${name}\n`).join(""),
);
await Deno.writeTextFile(`${out}/README`, readme());
await writeInstaller(`${out}/install.sh`);
Deno.exit(failed === 0 ? 0 : 1);

function readOptions() {
  try {
    return parseArgs({
      args: Deno.args,
      options: {
        only: { type: "string" },
        deb: { type: "boolean", default: false },
        out: { type: "string", default: "build" },
      },
    }).values;
  } catch (error) {
    return refuse(
      `${messageOf(error)}; usage: deno task build [--only NAME,…] [--deb] [--out DIR]`,
    );
  }
}

function refuse(message: string): never {
  console.error(message);
  Deno.exit(2);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return false;
  }
}

async function makeDirectory(path: string): Promise<string> {
  try {
    await Deno.mkdir(path, { recursive: true });
    return path;
  } catch (error) {
    return refuse(`Cannot make the folder ${path}: ${messageOf(error)}`);
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Help for a person who has downloaded one file. */
function readme(): string {
  const lines = built.map(({ target, bytes }) =>
    `  ${target.file.padEnd(22)} ${target.words}; ${(bytes / 1e6).toFixed(1)} MB` +
    (target.triple === hostTarget()?.triple ? "; was run before it was listed" : "")
  );
  return `ttun ${manifest.version}: a tunnel between two machines, in one file.

Take the file for your system, check it and run it:

  sha256sum --ignore-missing -c SHA256SUMS
  chmod +x ttun-linux-x64 && sudo ./ttun-linux-x64 server --key-file KEY

Files:

${lines.join("\n")}
`;
}
