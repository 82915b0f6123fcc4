import assert from "node:assert/strict";
import { toLatin1 } from "../../base/latin1.ts";
import { crlf, headText } from "./http_fixture.ts";
import {
  HeadCollector,
  MAX_FIELDS,
  MAX_HEAD,
  parseRequestHead,
  parseResponseHead,
} from "./http_head.ts";

const status = (code: number) => ({ name: "TtunError", kind: "protocol", status: code });
const request = (text: string) => parseRequestHead(headText(text));
const response = (text: string) => parseResponseHead(headText(text));

Deno.test("a head ends with its empty line; what is behind is not touched", () => {
  const bytes = toLatin1("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const collector = new HeadCollector();
    const used = collector.take(bytes.subarray(0, cut)) + collector.take(bytes.subarray(cut));
    assert.equal(used, 27);
    assert.ok(collector.isWhole);
    assert.equal(collector.text(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal(collector.take(bytes), 0);
  }
});

Deno.test("empty lines before the first are skipped; a bare LF ends a line", () => {
  for (const text of ["\r\n\n\r\nGET / HTTP/1.0\r\nA: b\n\n", "GET / HTTP/1.0\nA: b\r\n\r\n"]) {
    const { method, fields } = request(text);
    assert.equal(method, "GET");
    assert.deepEqual(fields, [{ name: "A", value: "b" }]);
  }
  const collector = new HeadCollector();
  collector.take(toLatin1("\r\n\r\n"));
  assert.ok(collector.isEmpty && !collector.isWhole);
  collector.take(toLatin1("G"));
  assert.ok(!collector.isEmpty);
});

Deno.test("a head is limited in bytes, empty lines before it included, and in fields", () => {
  const line = "GET / HTTP/1.1\r\n";
  const filled = (size: number) => `${line}A: ${"x".repeat(size - line.length - 7)}\r\n\r\n`;
  assert.equal(filled(MAX_HEAD).length, MAX_HEAD);
  assert.ok(request(filled(MAX_HEAD)).fields[0]!.value.length > 65_000);
  assert.throws(() => request(filled(MAX_HEAD + 1)), status(431));
  assert.throws(() => request(`\r\n${filled(MAX_HEAD)}`), status(431));
  assert.throws(() => request("x".repeat(MAX_HEAD + 1)), status(414));
  assert.throws(() => request("\n".repeat(MAX_HEAD + 1)), status(414));
  const fields = (count: number) => `${line}${"A: b\r\n".repeat(count)}\r\n`;
  assert.equal(request(fields(MAX_FIELDS)).fields.length, MAX_FIELDS);
  assert.throws(() => request(fields(MAX_FIELDS + 1)), status(431));
});

Deno.test("the limit holds for bytes that come one by one", () => {
  const collector = new HeadCollector();
  const byte = new Uint8Array([0x78]);
  for (let i = 0; i < MAX_HEAD; i++) collector.take(byte);
  assert.throws(() => collector.take(byte), status(414));
});

Deno.test("a request's first line is method, target and version with one space each", () => {
  const { method, target, minor } = request("M-x!~ /a?b%20\xff HTTP/1.1\r\n\r\n");
  assert.deepEqual([method, target, minor], ["M-x!~", "/a?b%20\xff", 1]);
  assert.equal(request("GET / HTTP/1.0\r\n\r\n").minor, 0);
  assert.equal(request("GET / HTTP/1.9\r\n\r\n").minor, 1);
  assert.equal(request("get / HTTP/1.1\r\n\r\n").method, "get");
  for (
    const line of [
      "GET /",
      "GET",
      "GET  / HTTP/1.1",
      "GET / HTTP/1.1 ",
      " GET / HTTP/1.1",
      "GET /a b HTTP/1.1",
      "GET\t/ HTTP/1.1",
      "GET /\ta HTTP/1.1",
      "GET /\x00 HTTP/1.1",
      "GET /\x7f HTTP/1.1",
      "GET /\r HTTP/1.1",
      "G(T / HTTP/1.1",
      "GET / http/1.1",
      "GET / HTTP/1",
      "GET / HTTP/1.10",
      "GET / HTTP/1.1\r",
      "GET / XTTP/1.1",
      "\r",
    ]
  ) {
    assert.throws(() => request(`${line}\r\n\r\n`), status(400), JSON.stringify(line));
  }
  assert.throws(() => request("GET / HTTP/2.0\r\n\r\n"), status(505));
  assert.throws(() => request("GET / HTTP/0.9\r\n\r\n"), status(505));
});

Deno.test("a response's first line may lack its reason", () => {
  const cases: [string, number, string, number][] = [
    ["HTTP/1.1 200 OK", 200, "OK", 1],
    ["HTTP/1.0 404 Not \xe4 Found", 404, "Not \xe4 Found", 0],
    ["HTTP/1.1 204 ", 204, "", 1],
    ["HTTP/1.1 204", 204, "", 1],
    ["HTTP/1.1 999 x", 999, "x", 1],
  ];
  for (const [line, code, reason, minor] of cases) {
    const head = response(`${line}\r\n\r\n`);
    assert.deepEqual([head.status, head.reason, head.minor], [code, reason, minor]);
  }
  for (
    const line of [
      "HTTP/1.1",
      "HTTP/1.1 ",
      "HTTP/1.1 20",
      "HTTP/1.1 2000",
      "HTTP/1.1 099",
      "HTTP/1.1  200",
      "HTTP/1.1 200\tOK",
      "HTTP/1.1 200 O\x00K",
      "HTTP/1.1 200 O\rK",
      "ICY 200 OK",
      "200 OK",
    ]
  ) {
    assert.throws(() => response(`${line}\r\n\r\n`), status(400), JSON.stringify(line));
  }
  assert.throws(() => response("HTTP/2 200\r\n\r\n"), status(400));
  assert.throws(() => response("HTTP/2.0 200\r\n\r\n"), status(505));
});

Deno.test("fields keep their order, names and values; space around values is not theirs", () => {
  const { fields } = request(
    crlf("GET / HTTP/1.1\nHost:a\nX-A: \t b  c \t\nx-a:\nB: \x80\xff:é\n\n"),
  );
  assert.deepEqual(fields, [
    { name: "Host", value: "a" },
    { name: "X-A", value: "b  c" },
    { name: "x-a", value: "" },
    { name: "B", value: "\x80\xff:é" },
  ]);
});

Deno.test("a request's field that is not `name: value` is refused", () => {
  for (
    const field of [
      "no colon",
      ": no name",
      "A : space before the colon",
      "A\t: tab",
      " A: space before",
      "\tA: tab before",
      "A: b\r\n folded",
      "A: b\r\n\tfolded",
      "A(: b",
      "A B: b",
      "\x80: b",
      "A: b\x00",
      "A: b\x7f",
      "A: b\x0b",
      "A: b\rc",
      "A: b\r",
      "A: \x1b[31m",
    ]
  ) {
    const text = `GET / HTTP/1.1\r\n${field}\r\nHost: a\r\n\r\n`;
    assert.throws(() => request(text), status(400), JSON.stringify(field));
  }
});

Deno.test("a response's folded lines and space before a colon are mended", () => {
  const { fields } = response("HTTP/1.1 200 OK\r\nA \t: b\r\n  c\r\n\td \r\n \r\nB: e\r\n\r\n");
  assert.deepEqual(fields, [{ name: "A", value: "b c d" }, { name: "B", value: "e" }]);
  const length = response("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n").fields;
  assert.deepEqual(length, [{ name: "Content-Length", value: "5" }]);
  for (const field of [" A: b", "no colon", "A b: c", ": c", "A: b\r\n c\x00", " : b"]) {
    const text = `HTTP/1.1 200 OK\r\n${field}\r\n\r\n`;
    assert.throws(() => response(text), status(400), JSON.stringify(field));
  }
});

Deno.test("a head of nothing but space is read in no time", () => {
  const value = `a${" ".repeat(MAX_HEAD - 100)}b`;
  assert.equal(request(`GET / HTTP/1.1\r\nA: ${value}\r\n\r\n`).fields[0]!.value, value);
  assert.throws(() => request(`GET / HTTP/1.1\r\nA: ${value}\x01\r\n\r\n`), status(400));
});
