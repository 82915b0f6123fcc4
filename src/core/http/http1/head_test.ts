import assert from "node:assert/strict";
import { toLatin1 } from "../../../base/latin1.ts";
import { crlf, headText } from "./http1_fixture.ts";
import { HeadCollector, parseRequestHead, REQUEST_LIMITS, RESPONSE_LIMITS } from "./head.ts";

const status = (code: number) => ({ name: "TtunError", kind: "protocol", status: code });
const request = (text: string) => parseRequestHead(headText(text));

Deno.test("a head ends with its empty line; what is behind is not touched", () => {
  const bytes = toLatin1("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n");
  for (let cut = 0; cut <= bytes.length; cut++) {
    const collector = new HeadCollector(REQUEST_LIMITS);
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
  const collector = new HeadCollector(REQUEST_LIMITS);
  collector.take(toLatin1("\r\n\r\n"));
  assert.ok(collector.isEmpty && !collector.isWhole);
  collector.take(toLatin1("G"));
  assert.ok(!collector.isEmpty);
});

for (const [what, limits] of Object.entries({ REQUEST_LIMITS, RESPONSE_LIMITS })) {
  const { bytes: most, fields: mostFields } = limits;
  const read = (text: string) => headText(text, limits);

  Deno.test(`a head is limited in bytes, empty lines before it included, and in fields: ${what}`, () => {
    const line = "GET / HTTP/1.1\r\n";
    const filled = (size: number) => `${line}A: ${"x".repeat(size - line.length - 7)}\r\n\r\n`;
    assert.equal(filled(most).length, most);
    assert.equal(read(filled(most)).length, most);
    assert.throws(() => read(filled(most + 1)), status(431));
    assert.throws(() => read(`\r\n${filled(most)}`), status(431));
    assert.throws(() => read("x".repeat(most + 1)), status(414));
    assert.throws(() => read("\n".repeat(most + 1)), status(414));
    const fields = (count: number) => `${line}${"A: b\r\n".repeat(count)}\r\n`;
    assert.equal(read(fields(mostFields)).length, line.length + 6 * mostFields + 2);
    assert.throws(() => read(fields(mostFields + 1)), status(431));
  });

  Deno.test(`the limit holds for bytes that come one by one: ${what}`, () => {
    const collector = new HeadCollector(limits);
    const byte = new Uint8Array([0x78]);
    for (let i = 0; i < most; i++) collector.take(byte);
    assert.throws(() => collector.take(byte), status(414));
  });
}

Deno.test("an answer may have more than a request, as browsers and curl have it", () => {
  assert.ok(RESPONSE_LIMITS.bytes >= 256 * 1024 && RESPONSE_LIMITS.fields >= 1024);
  assert.deepEqual(REQUEST_LIMITS, { bytes: 65_536, fields: 256 });
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

Deno.test("a head of nothing but space is read in no time", () => {
  const value = `a${" ".repeat(REQUEST_LIMITS.bytes - 100)}b`;
  assert.equal(request(`GET / HTTP/1.1\r\nA: ${value}\r\n\r\n`).fields[0]!.value, value);
  assert.throws(() => request(`GET / HTTP/1.1\r\nA: ${value}\x01\r\n\r\n`), status(400));
});

Deno.test("every byte of a value is kept as one character", () => {
  const bytes = Uint8Array.from({ length: 128 }, (_, i) => 128 + i);
  const head = new HeadCollector(REQUEST_LIMITS);
  head.take(toLatin1("GET / HTTP/1.1\r\nA: "));
  head.take(bytes);
  head.take(toLatin1("\r\n\r\n"));
  const { fields } = parseRequestHead(head.text());
  assert.deepEqual(Array.from(fields[0]!.value, (char) => char.charCodeAt(0)), [...bytes]);
});
