import assert from "node:assert/strict";
import fc from "fast-check";
import { TtunError } from "../../src/base/errors.ts";
import { fromLatin1, toLatin1 } from "../../src/base/latin1.ts";
import { BodyReader, requestFraming } from "../../src/core/http/http1/body.ts";
import { headText } from "../../src/core/http/http1/http1_fixture.ts";
import { parseRequestHead, RESPONSE_LIMITS } from "../../src/core/http/http1/head.ts";
import { readRequest } from "../../src/core/proxy/http/request.ts";
import { responseFraming } from "../../src/core/http/http1/response_framing.ts";
import { parseResponseHead } from "../../src/core/http/http1/response_head.ts";
import { responseForClient } from "../../src/core/proxy/http/rewrite.ts";

function isRefusal(error: unknown): true {
  assert.ok(error instanceof TtunError && error.kind === "protocol", String(error));
  return true;
}

const name = fc.constantFrom(
  "Host",
  "Content-Length",
  "Transfer-Encoding",
  "Connection",
  "Upgrade",
  "Keep-Alive",
  "Via",
  "X-1",
  "content-length ",
  " x",
  "a b",
  "",
  "\x80",
);
const value = fc.constantFrom(
  "",
  "5",
  "5, 5",
  "-1",
  "chunked",
  "gzip, chunked",
  "chunked, identity",
  "chunked, chunked",
  "identity",
  "5,5",
  "close",
  "keep-alive, x-1",
  "content-length, transfer-encoding, host",
  "upgrade",
  "websocket",
  "a.example",
  "\t x \t",
  "a\x00b",
  "a\rb",
  "\xe4",
  "x\r\n folded",
);
const lineEnd = fc.constantFrom("\r\n", "\r\n", "\r\n", "\n", "\r\r\n");
const anyField = fc.tuple(name, fc.constantFrom(":", ": ", " : ", ""), value, lineEnd)
  .map((parts) => parts.join(""));
const field = fc.oneof(
  anyField,
  fc.constantFrom(
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\n",
    "Content-Length: 6\r\n",
    "no colon\r\n",
    " Content-Length: 7\r\n",
    "Connection: content-length, Transfer-Encoding\r\n",
    "Connection: upgrade\r\nUpgrade: x\r\n",
    "X-1: y\r\n",
  ),
);
const firstLine = fc.constantFrom(
  "POST http://a.example/x HTTP/1.1\r\n",
  "GET http://a.example HTTP/1.0\n",
  "OPTIONS http://[::1]:81?q HTTP/1.1\r\n",
  "CONNECT a.example:443 HTTP/1.1\r\n",
);
const requestHead = fc.tuple(firstLine, fc.array(field, { maxLength: 5 }), lineEnd)
  .map(([first, fields, last]) => headText(first + fields.join("") + last));
const responseHead = fc.tuple(
  fc.constantFrom("HTTP/1.1 200 OK\r\n", "HTTP/1.0 204\r\n"),
  fc.array(field, { maxLength: 5 }),
)
  .map(([first, fields]) => headText(`${first}${fields.join("")}\r\n`));

/** Of a head that goes on: its only line ends are CRLF, and it is one head. */
function assertOneHead(bytes: Uint8Array): string {
  const text = fromLatin1(bytes);
  assert.match(text.replaceAll("\r\n", ""), /^[\t\x20-\x7e\x80-\xff]*$/);
  assert.equal(text.indexOf("\r\n\r\n"), text.length - 4);
  assert.equal(headText(text), text);
  return text;
}

Deno.test("a request that goes on means to its target what it meant to the proxy", () => {
  let passed = 0;
  let bodies = 0;
  fc.assert(
    fc.property(requestHead, (text) => {
      try {
        const head = parseRequestHead(text);
        const request = readRequest(head);
        if (request.head === null) return;
        const again = parseRequestHead(assertOneHead(request.head));
        assert.deepEqual(requestFraming(again), request.framing);
        assert.equal(again.fields.filter((f) => f.name.toLowerCase() === "host").length, 1);
        assert.equal(again.method, head.method);
        assert.match(again.target, /^[/*]/);
        passed++;
        if (request.framing.kind !== "none") bodies++;
      } catch (error) {
        isRefusal(error);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(passed > 300 && bodies > 50, `${passed} ${bodies}`);
});

Deno.test("a response that goes on is one head, and means to the client what it meant to the proxy", () => {
  let passed = 0;
  let mended = 0;
  const method = fc.constantFrom("GET", "HEAD");
  fc.assert(
    fc.property(responseHead, fc.boolean(), method, (text, isLast, method) => {
      try {
        const head = parseResponseHead(text);
        const { framing, fields, isSure } = responseFraming(head, method);
        const o = { minor: 1, upgrade: null, isLast: isLast || framing.kind === "close" } as const;
        const bytes = responseForClient({ ...head, fields }, o);
        const again = parseResponseHead(assertOneHead(bytes));
        assert.equal(again.status, head.status);
        assert.equal(again.isMended, false);
        const read = responseFraming(again, method);
        assert.deepEqual(read.framing, framing);
        assert.ok(read.isSure || framing.kind === "close" || framing.kind === "none");
        const said = again.fields.filter(({ name }) => /^(content-l|transfer-e)/i.test(name));
        assert.ok(said.length <= 1 || isSure, assertOneHead(bytes));
        assert.deepEqual(responseForClient(again, o), bytes);
        passed++;
        if (!isSure || head.isMended) mended++;
      } catch (error) {
        isRefusal(error);
      }
    }),
    { numRuns: 3000 },
  );
  assert.ok(passed > 500 && mended > 200, `${passed} ${mended}`);
});

Deno.test("bytes of any kind are a head or a breach of the protocol", () => {
  const bytes = fc.uint8Array({ maxLength: 400, size: "max" }).map(fromLatin1);
  const near = fc.array(fc.constantFrom(..."GET http://a/ HTTP/1.1\r\n\r\n: \t\x00\xff"), {
    maxLength: 60,
  })
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(
      fc.oneof(bytes, near, near.map((t) => `GET http://a/ HTTP/1.1\r\n${t}\r\n\r\n`)),
      (text) => {
        for (const parse of [parseRequestHead, parseResponseHead]) {
          try {
            parse(headText(`x${text}\r\n\r\n`));
          } catch (error) {
            isRefusal(error);
          }
        }
      },
    ),
    { numRuns: 2000 },
  );
});

/** A chunked body's size by its grammar (RFC 9112 section 7.1): slow and clear. null = not whole or wrong. */
function chunkedSize(text: string): number | null {
  const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
  const body = new RegExp(
    "^(?:([0-9a-f]{1,16})[ \\t]*(?:;[\\t\\x20-\\x7e\\x80-\\xff]*)?\\r\\n)",
    "i",
  );
  const trailer = new RegExp(`^(?:${token}:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n)*\\r\\n`);
  for (let at = 0;;) {
    const size = body.exec(text.slice(at));
    if (size === null) return null;
    at += size[0].length;
    const length = parseInt(size[1]!, 16);
    if (length === 0) {
      const end = trailer.exec(text.slice(at));
      return end === null ? null : at + end[0].length;
    }
    at += length;
    if (text.slice(at, at + 2) !== "\r\n") return null;
    at += 2;
  }
}

const chunk = fc.tuple(
  fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }),
  fc.constantFrom("", ";a", "; a=b", "  "),
)
  .map(([data, extension]) => `${data.length.toString(16)}${extension}\r\n${data}\r\n`);
const chunked = fc.tuple(
  fc.array(chunk, { maxLength: 4 }),
  fc.constantFrom("", "A: b\r\n", "A:\r\nB: c\r\n"),
)
  .map(([chunks, trailer]) => `${chunks.join("")}0\r\n${trailer}\r\n`);
const change = fc.tuple(
  fc.nat(),
  fc.constantFrom("", "\r", "\n", "\r\n", "0", "f", ";", " ", ":", "\x00", "x"),
  fc.nat(2),
);

Deno.test("a chunked body ends where its grammar says, however it is cut and damaged", () => {
  let whole = 0;
  let refused = 0;
  fc.assert(
    fc.property(chunked, fc.array(change, { maxLength: 2 }), fc.nat(), (body, changes, cut) => {
      let text = `${body}GET / HTTP/1.1\r\n\r\n`;
      for (const [place, insert, removed] of changes) {
        const at = place % text.length;
        text = text.slice(0, at) + insert + text.slice(at + removed);
      }
      const bytes = toLatin1(text);
      const run = (...pieces: Uint8Array[]): number | "open" | "refused" => {
        const reader = new BodyReader({ kind: "chunked" });
        let used = 0;
        try {
          for (const piece of pieces) used += reader.take(piece, () => {});
        } catch (error) {
          return isRefusal(error) && "refused";
        }
        return reader.isDone ? used : "open";
      };
      const found = run(bytes);
      const at = cut % (bytes.length + 1);
      assert.equal(run(bytes.subarray(0, at), bytes.subarray(at)), found);
      assert.equal(run(...[...bytes].map((byte) => new Uint8Array([byte]))), found);
      assert.equal(typeof found === "number" ? found : null, chunkedSize(text));
      if (changes.length === 0) assert.equal(found, body.length);
      if (typeof found === "number") whole++;
      if (found === "refused") refused++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(whole > 500 && refused > 500, `${whole} ${refused}`);
});

/** Feeds a response's body in these pieces: the output and the end's state; null = refused. */
function goesOn(pieces: readonly Uint8Array[], unchunks: boolean) {
  const o = { limits: RESPONSE_LIMITS, mends: true, unchunks };
  const reader = new BodyReader({ kind: "chunked" }, o);
  let text = "";
  let used = 0;
  try {
    for (const piece of pieces) {
      used += reader.take(piece, (part) => text += fromLatin1(part));
    }
  } catch (error) {
    return isRefusal(error) && null;
  }
  return { text, used, isDone: reader.isDone, isMended: reader.isMended };
}

Deno.test("a response's chunked body goes on as one that a strict reader takes, with the same in it", () => {
  let whole = 0;
  let mended = 0;
  const bare = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      chunked,
      bare,
      fc.array(change, { maxLength: 1 }),
      fc.nat(),
      (body, bares, changes, cut) => {
        let count = 0;
        let text = `${body}HTTP/1.1 200 OK\r\n`
          .replace(/\r\n/g, (end) => bares[count++ % bares.length] ? "\n" : end);
        for (const [place, insert, removed] of changes) {
          const at = place % text.length;
          text = text.slice(0, at) + insert + text.slice(at + removed);
        }
        const bytes = toLatin1(text);
        const at = cut % (bytes.length + 1);
        const found = goesOn([bytes], false);
        assert.deepEqual(goesOn([bytes.subarray(0, at), bytes.subarray(at)], false), found);
        assert.deepEqual(goesOn([...bytes].map((byte) => new Uint8Array([byte])), false), found);
        if (found === null || !found.isDone) return;
        whole++;
        if (found.isMended) mended++;
        else assert.equal(found.text, text.slice(0, found.used));
        assert.equal(chunkedSize(found.text), found.text.length);
        const data = goesOn([bytes], true)!;
        assert.deepEqual(goesOn([toLatin1(found.text)], true)!.text, data.text);
        assert.equal(data.used, found.used);
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(whole > 500 && mended > 300, `${whole} ${mended}`);
});
