import assert from "node:assert/strict";
import { toLatin1 } from "../../../base/latin1.ts";
import { BodyReader, type Framing, requestFraming } from "./body.ts";
import { crlf } from "./http1_fixture.ts";
import { parseRequestHead } from "./head.ts";

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
