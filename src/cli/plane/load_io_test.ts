import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { MAIN, runDeno } from "../process_fixture.ts";

test("packages that are neither cached nor to be fetched are one sentence, and no bug", async () => {
  const folder = await Deno.makeTempDir({ prefix: "ttun-load-" });
  try {
    for (const command of ["server", "proxy server"]) {
      const args = ["run", "-A", "--cached-only", MAIN, ...command.split(" ")];
      const env = { DENO_DIR: folder, TTUN_KEY: "vbYTtPqk3wU4yhDZ1s0dLQ" };
      const { code, stderr } = await runDeno(args, { env });
      assert.equal(code, 12, stderr);
      assert.match(stderr, /Cannot load a part of ttun: .*npm package .*: deno cache \/.*main\.ts/);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
