import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { Process } from "../../../tests/process.ts";

const FIXTURE = new URL("../../../tests/fixture/exhausted.ts", import.meta.url).pathname;

/** More than the runtime itself has open, and soon used up. */
const LIMIT = 100;

for (const transport of ["posix", "deno"]) {
  test(`${transport}_net: without descriptors every call says so, and the listener recovers`, async () => {
    const deno = [Deno.execPath(), "run", "-A", FIXTURE, transport];
    const limit = ["-c", `ulimit -n ${LIMIT} && exec "$@"`, "sh"];
    await using process = new Process("sh", [...limit, ...deno]);
    const { code } = await process.status;
    await process.closed;
    equal(code, 0, process.output);
    const lines = process.stdout.trim().split("\n").map((line) => JSON.parse(line));
    deepEqual(lines.map(([step]) => step), [
      "accept",
      "accept again",
      "dial",
      "listen",
      "recovered",
    ]);
    for (const [step, result] of lines.slice(0, 4)) {
      match(result, /^exhausted: Cannot (accept|connect|listen).*out of desc.*ulimit -n/, step);
    }
    equal(lines[4][1], "served at last");
  });
}
