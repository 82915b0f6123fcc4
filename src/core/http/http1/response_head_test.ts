import assert from "node:assert/strict";
import { headText } from "./http1_fixture.ts";
import { RESPONSE_LIMITS } from "./head.ts";
import { parseResponseHead } from "./response_head.ts";

const response = (text: string) => parseResponseHead(headText(text, RESPONSE_LIMITS));
const refused = { name: "TtunError", kind: "protocol", status: 400 };

Deno.test("a response's first line is read as browsers read it", () => {
  const cases: [string, number, string, number, boolean?][] = [
    ["HTTP/1.1 200 OK", 200, "OK", 1],
    ["HTTP/1.0 404 Not \xe4 Found", 404, "Not \xe4 Found", 0],
    ["HTTP/1.1 204 ", 204, "", 1],
    ["HTTP/1.1 204", 204, "", 1],
    ["HTTP/1.1 999 x", 999, "x", 1],
    ["http/1.1 200 OK", 200, "OK", 1],
    ["Http/1.0 200 OK", 200, "OK", 0],
    ["HTTP/1.1  200   All is  well ", 200, "All is  well", 1],
    ["HTTP/1.1\t200\tOK", 200, "OK", 1],
    ["HTTP/1.9 200 OK", 200, "OK", 1],
    ["HTTP/1.10 200 OK", 200, "OK", 1],
    ["HTTP/2 200", 200, "", 1],
    ["HTTP/2.0 200 OK", 200, "OK", 1],
    ["HTTP/1 200 OK", 200, "OK", 0],
    ["HTTP/0.9 200 OK", 200, "OK", 0],
    ["ICY 200 OK", 200, "OK", 0],
    ["HTTP/1.1 200 O\x00K", 200, "O K", 1, true],
    ["HTTP/1.1 200 O\rK", 200, "O K", 1, true],
    ["HTTP/1.1 200 \x1b[31mOK\x7f", 200, "[31mOK", 1, true],
  ];
  for (const [line, code, reason, minor, isMended = false] of cases) {
    const head = response(`${line}\r\n\r\n`);
    assert.deepEqual(
      [head.status, head.reason, head.minor, head.isMended],
      [code, reason, minor, isMended],
      JSON.stringify(line),
    );
  }
  for (
    const line of [
      "HTTP/1.1",
      "HTTP/1.1 ",
      "HTTP/1.1 20",
      "HTTP/1.1 2000",
      "HTTP/1.1 099",
      "HTTP/1.1 -200 OK",
      "HTTP 200 OK",
      "HTTP/ 200 OK",
      "HTTP/1. 200 OK",
      "HTTP/x 200 OK",
      " HTTP/1.1 200 OK",
      "200 OK",
      "SSH-2.0-OpenSSH 200",
      "<html>",
    ]
  ) {
    assert.throws(() => response(`${line}\r\n\r\n`), refused, JSON.stringify(line));
  }
});

/** The fields of such lines, as `name: value`; and whether something was mended. */
function fields(lines: string): [string[], boolean] {
  const head = response(`HTTP/1.1 200 OK\r\n${lines}\r\n`);
  return [head.fields.map(({ name, value }) => `${name}: ${value}`), head.isMended];
}

Deno.test("folded lines and space before a colon are mended, as RFC 9112 tells proxies", () => {
  assert.deepEqual(fields("A \t: b\r\n  c\r\n\td \r\n \r\nB: e\r\n"), [
    ["A: b c d", "B: e"],
    false,
  ]);
  assert.deepEqual(fields("Content-Length:\r\n 5\r\n"), [["Content-Length: 5"], false]);
});

Deno.test("what is unreadable is left out, with the lines that belong to it, and nothing else", () => {
  for (
    const line of [
      "no colon",
      "A b: c",
      ": c",
      "\x80: c",
      "A(: c",
      "Content Length: 5",
      "A\x00: b",
      "A\r: b",
    ]
  ) {
    const wanted = [["X: 1", "Y: 2"], true];
    assert.deepEqual(fields(`X: 1\r\n${line}\r\nY: 2\r\n`), wanted, JSON.stringify(line));
    const folded = `X: 1\r\n${line}\r\n folded: 1\r\n\tContent-Length: 5\r\nY: 2\r\n`;
    assert.deepEqual(fields(folded), wanted, "the lines that are folded into it");
  }
  assert.deepEqual(fields(" Content-Length: 5\r\n\tx: y\r\nA: b\r\n"), [["A: b"], true]);
});

Deno.test("a control character in a value becomes a space", () => {
  for (const control of ["\x00", "\x01", "\x0b", "\x1b", "\x7f", "\r"]) {
    assert.deepEqual(fields(`A: b${control}c\r\nB: d${control}\r\n`), [["A: b c", "B: d"], true]);
    assert.deepEqual(fields(`A: b\r\n ${control}c\r\n`), [["A: b c"], true]);
  }
  assert.deepEqual(fields("A: \t\x80\xff\r\n"), [["A: \x80\xff"], false]);
});

Deno.test("a head of nothing but noise is read in no time", () => {
  const noise = `${" ".repeat(1000)}\x00\r\n`.repeat(250);
  assert.deepEqual(fields(`A: b\r\n${noise}`)[0], ["A: b"]);
  const folded = `${" ".repeat(60)}x\r\n`.repeat(4000);
  assert.equal(fields(`A:\r\n${folded}`)[0][0]!.length, 3 + 2 * 4000 - 1);
});
