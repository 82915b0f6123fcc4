import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";

const EXIT = new URL("./exit.ts", import.meta.url).href;

async function runScript(script: string, ...permissions: string[]): Promise<Deno.CommandOutput> {
  const source = `data:application/javascript,${encodeURIComponent(script)}`;
  const args = ["run", "--no-lock", ...permissions, source];
  return await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } }).output();
}

const SCRIPT = `
  import { exit } from "${EXIT}";
  addEventListener("unload", () => console.log("clean-up"));
  new Worker("data:application/javascript,setInterval(() => {}, 1)", { type: "module" });
  console.log("x".repeat(50_000));
  console.error("error");
  exit(7);
`;

test("exit: nothing runs any more, and all that was written is out", async () => {
  const { code, stdout, stderr } = await runScript(SCRIPT, "-A");
  assert.equal(code, 7);
  assert.equal(new TextDecoder().decode(stdout), `${"x".repeat(50_000)}\n`);
  assert.equal(new TextDecoder().decode(stderr), "error\n");
});

test("exit: without native calls it is the runtime's", async () => {
  const { code, stdout } = await runScript(SCRIPT, "--no-prompt", "--allow-read", "--allow-import");
  assert.equal(code, 7);
  assert.match(new TextDecoder().decode(stdout), /clean-up/);
});
