import assert from "node:assert/strict";
import { load, loadFailure } from "./load.ts";

Deno.test("a part that cannot be had is a failure of the system, and what a part throws stays", async () => {
  const missing = Object.assign(new TypeError("Module not found"), {
    code: "ERR_MODULE_NOT_FOUND",
  });
  await assert.rejects(load(() => Promise.reject(missing)), (error) => {
    const { kind, cause, message } = error as Error & { kind: string };
    assert.deepEqual([kind, cause], ["system", missing]);
    return /^Cannot load a part of ttun: Module not found; run this once .*main\.ts$/.test(message);
  });
  const bug = new TypeError("x is undefined");
  await assert.rejects(load(() => Promise.reject(bug)), bug);
  assert.equal(await load(() => Promise.resolve(1)), 1);
});

Deno.test("Deno's message becomes one sentence, with the deepest cause and without colours", () => {
  const message = `Failed caching npm package '@a/b@1.0.0'
    0: error sending request for url (https://registry.example/b.tgz): client error (Connect)
    1: dns error
    2: failed to lookup address information.
    at \x1b[0m\x1b[36mfile:///x/y.ts\x1b[0m:\x1b[33m1\x1b[0m`;
  const begin = "Cannot load a part of ttun: Failed caching npm package '@a/b@1.0.0': " +
    "failed to lookup address information; run this once where there is a network: deno cache ";
  assert.equal(loadFailure(message, new URL("file:///a%20b/main.ts")), `${begin}/a b/main.ts`);
  const jsr = new URL("https://registry.example/@tt/cli/0.1.0/main.ts");
  assert.equal(loadFailure(message, jsr), `${begin}jsr:@tt/cli@0.1.0`);
  const other = new URL("https://example.net/ttun/main.ts");
  assert.equal(loadFailure(message, other), `${begin}${other}`);
});
