import assert from "node:assert/strict";
import type { LogLevel, LogRecord } from "../base/log.ts";
import type { LogFormat } from "./log_writer.ts";
import { makeRecordPrinter } from "./start_lines.ts";

const record = (level: LogLevel, message: string, fields = {}): LogRecord => ({
  time: 0,
  level,
  message,
  fields,
});

function world(format: LogFormat) {
  const said: string[] = [];
  const printer = makeRecordPrinter(
    { level: "warn", format },
    ({ level, message }) => said.push(`log ${level} ${message}`),
    (line) => said.push(line),
  );
  return { ...printer, said };
}

Deno.test("before ttun runs, warnings and errors look like those of the command line", () => {
  const { print, said } = world("text");
  print(record("warn", "the key is short", { bytes: 3 }));
  print(record("debug", "tried the next"));
  print(record("error", "Cannot open a device", { kind: "privilege" }));
  assert.deepEqual(said, [
    "ttun: warning: the key is short  bytes=3",
    "log debug tried the next",
    "ttun: Cannot open a device",
  ]);
});

Deno.test("the log begins with the first deed, also where that itself is not printed", () => {
  for (const begin of ["info", "call"] as const) {
    const w = world("text");
    if (begin === "call") w.begin();
    else w.print(record("info", "listening"));
    w.print(record("error", "gone", { kind: "lost" }));
    assert.equal(w.said.at(-1), "log error gone", begin);
  }
});

Deno.test("JSON is JSON from the first line", () => {
  const { print, said } = world("json");
  print(record("error", "Cannot open a device"));
  assert.deepEqual(said, ["log error Cannot open a device"]);
});
