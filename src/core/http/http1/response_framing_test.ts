import assert from "node:assert/strict";
import type { Framing } from "./body.ts";
import { headText } from "./http1_fixture.ts";
import { crlf } from "./http1_fixture.ts";
import { parseResponseHead } from "./response_head.ts";
import { responseFraming } from "./response_framing.ts";

const refused = { name: "TtunError", kind: "protocol", status: 400 };

const read = (code: number, fields: string, method = "GET", minor = 1) =>
  responseFraming(
    parseResponseHead(headText(crlf(`HTTP/1.${minor} ${code} x\n${fields}\n`))),
    method,
  );
const framing = (...how: Parameters<typeof read>) => read(...how).framing;

const NONE: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const CLOSE: Framing = { kind: "close" };
const length = (bytes: number): Framing => ({ kind: "length", length: bytes });

Deno.test("a response's body may end with the connection, or be none whatever its fields say", () => {
  assert.deepEqual(framing(200, ""), CLOSE);
  assert.deepEqual(framing(200, "", "GET", 0), CLOSE);
  assert.deepEqual(framing(404, "Content-Length: 3\n"), length(3));
  assert.deepEqual(framing(200, "Transfer-Encoding: chunked\n"), CHUNKED);
  assert.deepEqual(framing(200, "Transfer-Encoding: gzip\nTransfer-Encoding: Chunked\n"), CHUNKED);
  for (const fields of ["", "Content-Length: 3\n", "Transfer-Encoding: chunked\n"]) {
    for (const code of [100, 101, 103, 199, 204, 304]) {
      assert.deepEqual(framing(code, fields), NONE);
    }
    assert.deepEqual(framing(200, fields, "HEAD"), NONE);
    assert.ok(read(200, fields).isSure);
  }
  assert.notDeepEqual(framing(200, "", "head"), NONE, "methods are case-sensitive");
  assert.deepEqual(framing(205, "Content-Length: 0\n"), length(0));
});

Deno.test("what servers get wrong is read as browsers do, told to the client in one way, and nothing more is asked there", () => {
  const cases: [string, Framing, string][] = [
    ["Content-Length: 5\nContent-Length: 5\n", length(5), "Content-Length: 5"],
    ["Content-Length: 5, 5\n", length(5), "Content-Length: 5"],
    ["Content-Length: 5,\ncontent-length: 5\n", length(5), "Content-Length: 5"],
    ["Content-Length:\n", CLOSE, ""],
    ["Content-Length: ,\n", CLOSE, ""],
    ["Transfer-Encoding: identity\n", CLOSE, ""],
    ["Transfer-Encoding: Identity\nContent-Length: 5\n", length(5), "Content-Length: 5"],
    ["Transfer-Encoding:\n", CLOSE, ""],
    ["Transfer-Encoding:\nContent-Length: 5\n", length(5), "Content-Length: 5"],
    ["Transfer-Encoding: chunked\nContent-Length: 5\n", CHUNKED, "Transfer-Encoding: chunked"],
    ["Content-Length: 5\nTransfer-Encoding: chunked\n", CHUNKED, "Transfer-Encoding: chunked"],
    ["Content-Length: x\nTransfer-Encoding: chunked\n", CHUNKED, "Transfer-Encoding: chunked"],
    [
      "Content-Length: 1\nContent-Length: 2\nTransfer-Encoding: chunked\n",
      CHUNKED,
      "Transfer-Encoding: chunked",
    ],
    ["Transfer-Encoding: chunked, chunked\n", CHUNKED, "Transfer-Encoding: chunked"],
    [
      "Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n",
      CHUNKED,
      "Transfer-Encoding: chunked",
    ],
    ["Transfer-Encoding: gzip, chunked, Chunked\n", CHUNKED, "Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: identity, chunked\n", CHUNKED, "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked, identity\n", CHUNKED, "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: gzip\n", CLOSE, "Transfer-Encoding: gzip"],
    ["Transfer-Encoding: gzip\nContent-Length: 5\n", CLOSE, "Transfer-Encoding: gzip"],
    ["Transfer-Encoding: xchunked\n", CLOSE, "Transfer-Encoding: xchunked"],
    ["Transfer-Encoding: chunked;a=b\nContent-Length: 5\n", CLOSE, ""],
    ['Transfer-Encoding: "chunked"\n', CLOSE, ""],
    ["Transfer-Encoding: \xa0chunked\n", CLOSE, ""],
  ];
  for (const [fields, wanted, told] of cases) {
    const found = read(200, `A: 1\n${fields}B: 2\n`);
    assert.deepEqual(found.framing, wanted, fields);
    assert.equal(found.isSure, false, fields);
    const lines = found.fields.map(({ name, value }) => `${name}: ${value}`);
    assert.deepEqual(lines, ["A: 1", ...(told === "" ? [] : [told]), "B: 2"], fields);
    // The client gets one unambiguous framing, unless the body ends with the connection.
    const again = read(200, lines.map((line) => `${line}\n`).join(""));
    assert.deepEqual(again.framing, wanted, fields);
    if (wanted !== CLOSE) assert.ok(again.isSure, fields);
  }
  const old = read(200, "Transfer-Encoding: chunked\n", "GET", 0);
  assert.deepEqual([old.framing, old.isSure], [CHUNKED, false]);
});

Deno.test("what two readers could read in two ways is refused, also where there is no body", () => {
  for (
    const fields of [
      "Content-Length: 5\nContent-Length: 6\n",
      "Content-Length: 5, 6\n",
      "Content-Length: 5, 05\n",
      "Content-Length: -5\n",
      "Content-Length: +5\n",
      "Content-Length: 0x5\n",
      "Content-Length: 5 5\n",
      "Content-Length: 5.0\n",
      "Content-Length: 1e3\n",
      "Content-Length: 9007199254740992\n",
      "Content-Length: 00000000000000012\n",
      "Transfer-Encoding: chunked, gzip\n",
      "Transfer-Encoding: chunked, gzip, chunked\n",
      "Transfer-Encoding: gzip;q=1, chunked\n",
    ]
  ) {
    assert.throws(() => read(200, fields), refused, fields);
    assert.throws(() => read(200, fields, "HEAD"), refused, fields);
  }
});
