import assert from "node:assert/strict";
import type { LogLevel, LogRecord } from "../../base/log.ts";
import { jsonLine, makeLogPrinter, textLine } from "./log_writer.ts";

const TIME = Date.UTC(2026, 10, 21, 9, 0, 0, 123);

function record(message: string, fields: LogRecord["fields"] = {}, level: LogLevel = "info") {
  return { time: TIME, level, message, fields };
}

const plain = (r: LogRecord) => textLine(r, { color: false });

/** An output that collects the written texts; the log writer sets `describeLost`. */
function collector() {
  const writes: string[] = [];
  return {
    writes,
    write: (bytes: Uint8Array) => void writes.push(new TextDecoder().decode(bytes)),
    describeLost: (_: number): string => "",
  };
}

Deno.test("a text line has time, level, words and fields", () => {
  assert.equal(
    plain(record("Peer connected", { peer: "192.0.2.1:7", mptcp: false, n: 3, absent: undefined })),
    "2026-11-21T09:00:00.123Z info  Peer connected  peer=192.0.2.1:7 mptcp=false n=3",
  );
  assert.equal(plain(record("Ready", {}, "error")), "2026-11-21T09:00:00.123Z error Ready");
});

Deno.test("values that are more than one plain word are quoted", () => {
  assert.match(plain(record("x", { a: "two words" })), /a="two words"$/);
  assert.match(plain(record("x", { a: 'say "so"' })), /a="say \\"so\\""$/);
  assert.match(plain(record("x", { a: "" })), /a=""$/);
  assert.match(plain(record("x", { a: "b=c" })), /a="b=c"$/);
});

Deno.test("nothing in a message or field can begin a line, clear a screen or turn text around", () => {
  const evil = "a\nb\r\x1b[2J\x9b\x7f\u2028\u202e\u200b\ud800";
  for (
    const line of [
      plain(record(evil, { evil })),
      jsonLine(record(evil, { evil })),
    ]
  ) {
    assert.doesNotMatch(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    assert.match(line, /\\u001b\[2J\\u009b\\u007f\\u2028\\u202e\\u200b\\ud800/);
  }
  assert.deepEqual(JSON.parse(jsonLine(record(evil))).msg, evil);
});

Deno.test("a JSON line is one object whose first keys no field can replace", () => {
  const line = jsonLine(record("Ready", { msg: "forged", level: "error", device: "ttun0", no: 1 }));
  assert.equal(
    line,
    '{"time":"2026-11-21T09:00:00.123Z","level":"info","msg":"Ready","device":"ttun0","no":1}',
  );
});

Deno.test("colour is on the level alone", () => {
  assert.equal(
    textLine(record("Bad", { a: 1 }, "error"), { color: true }),
    "2026-11-21T09:00:00.123Z \x1b[31merror\x1b[0m Bad  a=1",
  );
});

Deno.test("levels below the chosen one are not printed", () => {
  const printed = (level: LogLevel) => {
    const writer = collector();
    const print = makeLogPrinter({ level, format: "text" }, { color: false }, writer);
    for (const each of ["error", "warn", "info", "debug"] as const) print(record(each, {}, each));
    return writer.writes.map((line) => line.trim().split(" ").at(-1));
  };
  assert.deepEqual(printed("warn"), ["error", "warn"]);
  assert.deepEqual(printed("info"), ["error", "warn", "info"]);
  assert.deepEqual(printed("debug"), ["error", "warn", "info", "debug"]);
});

Deno.test("a line is one write, with its line end", () => {
  const output = collector();
  makeLogPrinter({ level: "info", format: "json" }, { color: false }, output)(record("Ready"));
  assert.equal(output.writes.length, 1);
  assert.match(output.writes[0]!, /^\{.*"msg":"Ready"\}\n$/);
});

Deno.test("lost lines are told by a line of the same format", () => {
  const output = collector();
  makeLogPrinter({ level: "info", format: "json" }, { color: false }, output);
  const { level, msg, count } = JSON.parse(output.describeLost(7));
  assert.deepEqual([level, msg, count], ["warn", "lines of this log could not be written", 7]);
  makeLogPrinter({ level: "info", format: "text" }, { color: false }, output);
  assert.match(output.describeLost(7), /Z warn {2}lines of this log .* {2}count=7\n$/);
});
