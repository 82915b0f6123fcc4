import assert from "node:assert/strict";
import type { LogLevel, LogRecord } from "../../base/log.ts";
import type { LogFormat } from "./log_writer.ts";
import { makeRecordPrinter } from "./start_lines.ts";

const record = (level: LogLevel, message: string, fields = {}): LogRecord => ({
  time: 0,
  level,
  message,
  fields,
});

function world(format: LogFormat, level: LogLevel = "info") {
  const said: string[] = [];
  const printer = makeRecordPrinter(
    { level, format },
    ({ level, message }) => said.push(`log ${level} ${message}`),
    (line) => said.push(line),
  );
  return { ...printer, said };
}

Deno.test("before ttun runs, what it says looks like those of the command line", () => {
  const { print, said } = world("text");
  print(record("info", "key file", { path: "/etc/key" }));
  print(record("warn", "the key is short", { bytes: 3 }));
  print(record("debug", "tried the next"));
  print(record("error", "Cannot open a device", { kind: "privilege" }));
  assert.deepEqual(said, [
    "ttun: key file  path=/etc/key",
    "ttun: warning: the key is short  bytes=3",
    "log debug tried the next",
    "ttun: Cannot open a device",
  ]);
});

Deno.test("what is not urgent enough is not said before either", () => {
  const { print, said } = world("text", "warn");
  print(record("info", "key file"));
  print(record("warn", "the key is short"));
  assert.deepEqual(said, ["ttun: warning: the key is short"]);
});

Deno.test("the log begins with the first deed, also where that itself is not printed", () => {
  for (const begin of ["info", "call"] as const) {
    const w = world("text", "warn");
    if (begin === "call") w.begin();
    else w.printOfPlane(record("info", "listening"));
    w.print(record("error", "gone", { kind: "lost" }));
    assert.equal(w.said.at(-1), "log error gone", begin);
  }
});

Deno.test("JSON is JSON from the first line", () => {
  const { print, said } = world("json");
  print(record("error", "Cannot open a device"));
  assert.deepEqual(said, ["log error Cannot open a device"]);
});
