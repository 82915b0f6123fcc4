import assert from "node:assert/strict";
import { systemLine } from "./system_log.ts";

Deno.test("a line of the system's log has facility local1, the time here, and its fields", () => {
  const time = new Date(2026, 10, 3, 9, 5, 7).getTime();
  const record = { time, level: "info", message: "a client is online", fields: { way: "udp" } };
  assert.equal(
    systemLine({ ...record, level: "info" }, 4711),
    "<142>Nov  3 09:05:07 ttun[4711]: a client is online  way=udp",
  );
  assert.match(systemLine({ ...record, level: "error" }, 1), /^<139>/);
  const forged = systemLine({ ...record, level: "warn", message: "x\n<0>y" }, 1);
  assert.ok(!forged.includes("\n"), forged);
});
