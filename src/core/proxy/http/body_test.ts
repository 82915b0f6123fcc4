import type { BodyOptions } from "./chunked.ts";
import assert from "node:assert/strict";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import { BodyReader, type Framing, requestFraming } from "./body.ts";
import { crlf } from "./fixture.ts";
import { parseRequestHead, REQUEST_LIMITS, RESPONSE_LIMITS } from "./head.ts";

const refused = { name: "TtunError", kind: "protocol", status: 400 };

const ofRequest = (fields: string, minor = 1) =>
  requestFraming(parseRequestHead(crlf(`POST / HTTP/1.${minor}\n${fields}\n`)));
const drop = () => {};

const NONE: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const CLOSE: Framing = { kind: "close" };
const length = (bytes: number): Framing => ({ kind: "length", length: bytes });

Deno.test("a request's body has a length, or chunks, or there is none", () => {
  assert.deepEqual(ofRequest(""), NONE);
  assert.deepEqual(ofRequest("content-LENGTH: 0\n"), length(0));
  assert.deepEqual(ofRequest("Content-Length: 0000000000000012\n"), length(12));
  assert.deepEqual(ofRequest("Content-Length: 9007199254740991\n"), length(2 ** 53 - 1));
  assert.deepEqual(ofRequest("Content-Length: 5\n", 0), length(5));
  assert.deepEqual(ofRequest("Transfer-Encoding: Chunked\n"), CHUNKED);
  assert.deepEqual(ofRequest("Transfer-Encoding: gzip, , chunked\n"), CHUNKED);
  assert.deepEqual(ofRequest("Transfer-Encoding: gzip\nTransfer-Encoding: chunked\n"), CHUNKED);
});

Deno.test("what two readers could read in two ways is refused", () => {
  for (
    const fields of [
      "Content-Length: 5\nContent-Length: 6\n",
      "Content-Length: 5\nContent-Length: 5\n",
      "Content-Length: 5, 5\n",
      "Content-Length: -5\n",
      "Content-Length: +5\n",
      "Content-Length: 0x5\n",
      "Content-Length: 5 5\n",
      "Content-Length: 5.0\n",
      "Content-Length: 1e3\n",
      "Content-Length:\n",
      "Content-Length: 9007199254740992\n",
      "Content-Length: 00000000000000012\n",
      "Content-Length: 5\nTransfer-Encoding: chunked\n",
      "Transfer-Encoding: chunked\nContent-Length: 0\n",
      "Transfer-Encoding: identity\n",
      "Transfer-Encoding: gzip\n",
      "Transfer-Encoding: chunked, gzip\n",
      "Transfer-Encoding: chunked, chunked\n",
      "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
      "Transfer-Encoding: xchunked\n",
      "Transfer-Encoding: chunked;a=b\n",
      'Transfer-Encoding: "chunked"\n',
      "Transfer-Encoding: gzip;q=1, chunked\n",
      "Transfer-Encoding: \xa0chunked\n",
      "Transfer-Encoding:\n",
    ]
  ) {
    assert.throws(() => ofRequest(fields), refused, fields);
  }
  assert.throws(() => ofRequest("Transfer-Encoding: chunked\n", 0), refused);
});

/** How many bytes of `text` are the body's: given whole, and cut at every place. */
function sizeOf(framing: Framing, text: string): number {
  const bytes = toLatin1(text);
  const whole = new BodyReader(framing).take(bytes, drop);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new BodyReader(framing);
    const first = reader.take(bytes.subarray(0, cut), drop);
    assert.equal(first, Math.min(cut, whole));
    assert.equal(first + reader.take(bytes.subarray(cut), drop), whole);
  }
  return whole;
}

Deno.test("a body of a length has so many bytes", () => {
  assert.equal(sizeOf(length(5), "hellomore"), 5);
  assert.equal(sizeOf(length(0), "more"), 0);
  assert.equal(sizeOf(NONE, "more"), 0);
  assert.equal(sizeOf(CLOSE, "all of it"), 9);
  const reader = new BodyReader(length(3));
  assert.ok(!reader.isDone && !reader.isWholeAtEnd);
  reader.take(toLatin1("abc"), drop);
  assert.ok(reader.isDone && reader.isWholeAtEnd);
  assert.ok(new BodyReader(NONE).isDone);
  assert.ok(new BodyReader(length(0)).isDone);
  const open = new BodyReader(CLOSE);
  assert.ok(!open.isDone && open.isWholeAtEnd);
});

Deno.test("a chunked body ends behind its trailer", () => {
  const bodies = [
    "0\n\n",
    "5\nhello\n0\n\n",
    "A\n0123456789\n00f\n0123456789abcde\n000\n\n",
    "5;name\nhello\n0;last=1\n\n",
    '5 ; a="x;y\t" ; b\nhello\n0\n\n',
    "5  \nhello\n0\t\n\n",
    "0\nExpires: never\nX:\n\n",
    "5\n\rab\r\x00\n0\n\n",
  ];
  for (const body of bodies) {
    const text = crlf(body);
    assert.equal(sizeOf(CHUNKED, `${text}GET`), text.length, JSON.stringify(text));
    for (let size = 0; size < text.length; size++) {
      const reader: BodyReader = new BodyReader(CHUNKED);
      assert.equal(reader.take(toLatin1(text.slice(0, size)), drop), size);
      assert.ok(!reader.isDone && !reader.isWholeAtEnd);
    }
  }
});

Deno.test("a chunked body that two readers could read in two ways is refused", () => {
  const bad = [
    "\r\n",
    "x\r\n",
    ";\r\n",
    " 5\r\n",
    "-1\r\n",
    "+5\r\n",
    "0x5\r\n",
    "5 5\r\n",
    "5 x\r\n",
    "5\n",
    "5\r5",
    "5\rhello",
    "5;a\n",
    "5;a\rb",
    "5;\x00",
    "5;\x7f",
    "5\r\nhello0",
    "5\r\nhello\n",
    "5\r\nhello\r0",
    "5\r\nhello\r\r\n",
    "0\r\n\n",
    "0\r\n\r\r",
    "0\r\nA: b\n",
    "0\r\nA: b\rc",
    "0\r\nA: b\r\n c",
    "0\r\nA : b",
    "0\r\nA\r\n",
    "0\r\n: b",
    "0\r\nA: \x00",
    "0\r\n\x80",
    "fffffffffffffff0\r\n",
    "20000000000000\r\n",
    "00000000000000000",
  ];
  for (const text of bad) {
    assert.throws(
      () => new BodyReader(CHUNKED).take(toLatin1(text), drop),
      refused,
      JSON.stringify(text),
    );
  }
  const largest = new BodyReader(CHUNKED);
  assert.equal(largest.take(toLatin1("1fffffffffffff\r\nx"), drop), 17);
});

Deno.test("extensions and trailers are limited, a response's less", () => {
  const take = (text: string, o = { limits: REQUEST_LIMITS }) =>
    new BodyReader(CHUNKED, o).take(toLatin1(text), drop);
  assert.ok(take(`5;${"x".repeat(1023)}\r\n`) > 1024);
  assert.throws(() => take(`5;${"x".repeat(1024)}`), refused);
  assert.throws(() => take(`5${" ".repeat(1025)}`), refused);
  assert.ok(take(`5;${"x".repeat(1000)}\r\nhello\r\n5;${"x".repeat(1000)}\r\n`) > 2000);
  for (const limits of [REQUEST_LIMITS, RESPONSE_LIMITS]) {
    const fields = "A: b\r\n".repeat(limits.fields);
    assert.ok(take(`0\r\n${fields}\r\n`, { limits }) > 0);
    assert.throws(() => take(`0\r\n${fields}A`, { limits }), refused);
    assert.throws(() => take(`0\r\nA: ${"x".repeat(limits.bytes)}`, { limits }), refused);
  }
});

/** Feeds a body in pieces of `size` bytes: the output, and its `isDone` and `isMended`. */
function given(text: string, size: number, o: Partial<BodyOptions>) {
  const reader = new BodyReader(CHUNKED, { limits: RESPONSE_LIMITS, ...o });
  const bytes = toLatin1(text);
  let all = "";
  for (let at = 0; at < bytes.length; at += size) {
    reader.take(bytes.subarray(at, at + size), (part) => {
      assert.ok(part.length > 0);
      all += fromLatin1(part);
    });
  }
  return { all, isDone: reader.isDone, isMended: reader.isMended };
}

Deno.test("a bare LF ends a line of a response's chunked body, and goes on as CRLF", () => {
  const bodies = [
    "0\n\n",
    "5\nhel\nl\n0\n\n",
    "5;a=b\nhello\n3 \n\n\n\n\n0;x\nT: 1\nU:\n\n",
  ];
  for (const body of bodies) {
    for (let size = 1; size <= body.length; size++) {
      const { all, isDone, isMended } = given(body, size, { mends: true });
      assert.deepEqual([isDone, isMended], [true, true], body);
      assert.equal(all.replaceAll("\r\n", "\n"), body);
      assert.deepEqual(given(all, size, {}), { all, isDone: true, isMended: false }, body);
    }
  }
  const sound = "5\r\nhel\nl\r\n0\r\nT: 1\r\n\r\n";
  assert.deepEqual(given(sound, 4, { mends: true }), { all: sound, isDone: true, isMended: false });
  for (const text of ["\n", "5\nhello0", "x\n", "5\rh", "0\n\rT"]) {
    assert.throws(() => given(text, 1, { mends: true }), refused, JSON.stringify(text));
  }
});

Deno.test("what cannot be read of a response's trailer is left out, and the body stays whole", () => {
  const chunk = "5\r\nhello\r\n0\r\n";
  for (
    const [trailer, readable] of [
      ["junk\r\n\r\n", "\r\n"],
      ["A: 1\r\n folded\r\nno field\r\nB : 2\r\n\r\n", "A: 1 folded\r\nB: 2\r\n\r\n"],
      ["A: x\x01y\nB\xff: 1\nC:\n\n", "A: x y\r\nC:\r\n\r\n"],
      [" A: 1\r\n\r\n", "\r\n"],
    ] as const
  ) {
    const body = `${chunk}${trailer}`;
    for (let size = 1; size <= body.length; size++) {
      const found = given(`${body}HTTP`, size, { mends: true });
      assert.deepEqual(found, { all: `${chunk}${readable}`, isDone: true, isMended: true });
      assert.equal(given(body, size, { mends: true, unchunks: true }).all, "hello");
    }
    assert.throws(() => given(body, 3, {}), refused);
  }
  for (const line of ["A: b\r\n", `A: ${"x".repeat(100_000)}\n`, "junk\n"]) {
    const text = `0\r\n${line.repeat(RESPONSE_LIMITS.fields + 2)}`;
    assert.throws(() => given(text, 65_536, { mends: true }), refused);
  }
});

Deno.test("of a trailer nothing goes on that is not for it, both ways, at every split", () => {
  const bad = [
    "Proxy-Authorization: Basic c2VjcmV0",
    "proxy-connection: x",
    "CONTENT-LENGTH: 5",
    "Transfer-Encoding: chunked",
    "Host: other",
    "Authorization: Basic c2VjcmV0",
    "Cookie: a=b",
    "Set-Cookie: a=b",
    "If-Match: x",
    "X-Forwarded-For: 127.0.0.1",
    "X-Mine: named by Connection",
  ];
  const nextHop = new Set(["x-mine"]);
  const chunk = "5\r\nhello\r\n0\r\n";
  const all = bad.map((line) => `${line}\r\n`).join("");
  for (const mends of [false, true]) {
    const body = `${chunk}A: 1\r\n${all}grpc-status: 0\r\n\r\n`;
    for (let size = 1; size <= body.length; size++) {
      const found = given(`${body}GET`, size, { mends, nextHop });
      assert.equal(found.all, `${chunk}A: 1\r\ngrpc-status: 0\r\n\r\n`);
      assert.ok(found.isDone);
    }
    assert.equal(given(`${chunk}${all}\r\n`, 7, { mends, nextHop }).all, `${chunk}\r\n`);
  }
});

Deno.test("of chunks only what is in them is given, where that is wanted", () => {
  const body = "5;x\r\nhello\r\n1\n!\n6\r\n world\r\n0\r\nT: x\r\n\r\n";
  for (let size = 1; size <= body.length; size++) {
    const { all, isDone } = given(body, size, { mends: true, unchunks: true });
    assert.deepEqual([all, isDone], ["hello! world", true]);
  }
});

Deno.test("a large chunk is not looked at byte by byte, nor kept", () => {
  const reader = new BodyReader(CHUNKED);
  reader.take(toLatin1("10000000000\r\n"), drop);
  const bytes = new Uint8Array(1 << 20);
  for (let i = 0; i < 1 << 16; i++) assert.equal(reader.take(bytes, drop), bytes.length); // 64 GiB
  assert.ok(!reader.isDone);
});
