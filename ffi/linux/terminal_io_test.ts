import assert from "node:assert/strict";
import { test } from "../../tests/check.ts";
import { Process } from "../../tests/process.ts";

const FIXTURE = new URL("../../tests/fixture/stop_itself.ts", import.meta.url).pathname;

/** Seconds until a process that has stopped is killed. */
const LIMIT = "30";

test("a process in a session of its own, which no shell has go on, does not stop", async () => {
  const deno = [Deno.execPath(), "run", "-A", "--no-lock", FIXTURE];
  await using process = new Process("timeout", ["-s", "KILL", LIMIT, "setsid", ...deno]);
  await process.status;
  await process.closed;
  assert.equal(process.stdout, "it goes on\n", process.output);
});
