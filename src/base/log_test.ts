import assert from "node:assert/strict";
import { type LogRecord, makeLogger } from "./log.ts";

Deno.test("a logger hands on level, words, facts and the time of the call", () => {
  const records: LogRecord[] = [];
  let now = 5;
  const log = makeLogger((record) => records.push(record), () => now);
  log.error("e");
  now = 6;
  log.warn("w", { count: 1 });
  log.info("i", { peer: "x" });
  log.debug("d");
  assert.deepEqual(records, [
    { time: 5, level: "error", message: "e", fields: {} },
    { time: 6, level: "warn", message: "w", fields: { count: 1 } },
    { time: 6, level: "info", message: "i", fields: { peer: "x" } },
    { time: 6, level: "debug", message: "d", fields: {} },
  ]);
});

Deno.test("what is less urgent than the least level is not even made", () => {
  const records: string[] = [];
  let asked = 0;
  const log = makeLogger((record) => records.push(record.message), () => ++asked, "warn");
  log.debug("debug");
  log.info("info");
  log.warn("warn");
  log.error("error");
  assert.deepEqual(records, ["warn", "error"]);
  assert.equal(asked, 2);
});

Deno.test("a logger tells whether lines of debug are made", () => {
  const of = (least?: "debug" | "info" | "error") => makeLogger(() => {}, () => 0, least).isDebug;
  assert.deepEqual([of(), of("debug"), of("info"), of("error")], [true, true, false, false]);
});
