import { deepEqual, match, ok } from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { test } from "../check.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The program's own sources: what `deno run main.ts` may load. */
function* sources(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(ROOT + folder)) {
    if (isDirectory) yield* sources(`${folder}/${name}`);
    else if (/(?<!_test|_fixture)\.ts$/.test(name)) yield `${folder}/${name}`;
  }
}

test("packages: the program's are in deno.json, pinned; those of tests alone are in this folder", () => {
  const text = [...sources("src"), ...sources("ffi")]
    .map((path) => Deno.readTextFileSync(ROOT + path)).join("\n");
  for (const [name, target] of Object.entries(manifest.imports)) {
    const isUsed = [`from "${name}"`, `from "${name}/`, `import("${name}")`]
      .some((words) => text.includes(words));
    if (target.startsWith("npm:")) {
      ok(isUsed, `only tests use ${name}: its version belongs into tests/packages`);
      match(target, /^npm:.+@\d+\.\d+\.\d+$/);
      continue;
    }
    ok(!isUsed, `the program uses ${name}, which is a package of tests`);
    match(target, /^\.\/tests\/packages\/\w+\.ts$/);
    match(Deno.readTextFileSync(ROOT + target), /from "npm:.+@\d+\.\d+\.\d+"/);
  }
  // Deno fetches all that deno.lock has, so those of tests are in tests/deno.lock.
  const { specifiers } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.lock`));
  const own = Object.values(manifest.imports).filter((target) => target.startsWith("npm:"));
  deepEqual(Object.keys(specifiers).sort(), own.sort());
});
