import { equal, match, ok } from "node:assert/strict";
import { test } from "./check.ts";

const ROOT = new URL("..", import.meta.url);
const MOD = new URL("mod.ts", ROOT);

/**
 * deno.json for the examples: the package's name stands for this tree, and names may be unused,
 * because `deno test --doc` puts an import of everything that mod.ts exports before each example.
 */
async function writeConfig(folder: string): Promise<string> {
  const { imports, compilerOptions } = JSON.parse(
    await Deno.readTextFile(new URL("deno.json", ROOT)),
  );
  const path = `${folder}/deno.json`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      imports: { ...imports, "@tt/cli/mod": MOD.href },
      compilerOptions: { ...compilerOptions, noUnusedLocals: false },
    }),
  );
  return path;
}

/** `deno test --doc` of a module, types checked. */
async function runExamples(module: string): Promise<{ code: number; output: string }> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-mod-" });
  try {
    const config = await writeConfig(folder);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--doc", "-A", "--no-lock", "--config", config, module],
      env: { NO_COLOR: "1" },
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, output: decode(stdout) + decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("mod: every example of the public module runs", async () => {
  const { code, output } = await runExamples(MOD.pathname);
  equal(code, 0, output);
  const fences = (await Deno.readTextFile(MOD)).match(/^ \* ```ts$/gm)?.length ?? 0;
  ok(fences >= 5);
  match(output, new RegExp(`${fences} passed \\| 0 failed`));
});

const WRONG: [line: string, told: RegExp][] = [
  ["const text: string = TAG_SIZE; text;", /TS2322/],
  ["if (String(TAG_SIZE) !== '17') throw new Error('not 17');", /Error: not 17/],
];

for (const [line, told] of WRONG) {
  test(`mod: an example that is wrong fails: ${line}`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "ttun-mod-" });
    try {
      const module = `${folder}/mod.ts`;
      const example = `import { TAG_SIZE } from "@tt/cli/mod";\n * ${line}`;
      await Deno.writeTextFile(
        module,
        `/**\n * \`\`\`ts\n * ${example}\n * \`\`\`\n */\nexport {};\n`,
      );
      const { code, output } = await runExamples(module);
      equal(code, 1, output);
      match(output, told);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
