import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";

const HOST = new URL("./quic_host.ts", import.meta.url).href;

test("quic: without the flag of Deno's the sentence names it", async () => {
  const code = `
    const { QuicHost } = await import(${JSON.stringify(HOST)});
    try { new QuicHost(null); } catch (error) { console.log(error.kind, error.message); }
  `;
  const folder = await Deno.makeTempDir(); // where no deno.json is found
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, code);
    const args = ["run", "--no-config", "--no-check", "-A", `${folder}/main.ts`];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    const words = new TextDecoder().decode(stdout);
    assert.match(words, /^privilege Cannot use quic: URLs: .*--unstable-net/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
