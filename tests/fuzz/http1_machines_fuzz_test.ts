import assert from "node:assert/strict";
import fc from "fast-check";
import { toLatin1 } from "../../src/base/latin1.ts";
import { Http1Client } from "../../src/core/http/http1/client.ts";
import { Http1Server } from "../../src/core/http/http1/server.ts";
import { lend } from "../../src/core/http/http1/http1_fixture.ts";
import { requestOf, responseOf, told } from "../../src/core/http/steps_fixture.ts";

const newServer = () =>
  new Http1Server({
    scheme: "https",
    makePage: (status) => ({ fields: [], body: toLatin1(`page ${status}`) }),
  });

/** Cuts bytes into pieces that end at the places given. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])]
    .sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1]!, end));
}

/**
 * Returns lines of a server machine about bytes that come in pieces, while each request is answered as soon as
 * it has ended.
 */
function serve(parts: readonly Uint8Array[]): string[] {
  const server = newServer();
  const lines: string[] = [];
  for (const part of parts) {
    const before = lines.length;
    lend(part, (lent) => told(server.feed(lent), lines));
    for (let at = Math.max(0, before - 1); at < lines.length; at++) {
      const id = Number(/^end ([0-9]+)/.exec(lines[at]!)?.[1] ?? 0);
      if (id === 0) continue;
      told(server.respond(id, responseOf(204)), lines);
      told(server.end(id, []), lines);
    }
  }
  return lines;
}

const STREAMS = [
  "\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhelloGET /c HTTP/1.1\r\nHost: c\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1  \r\n!\r\n0\r\nX: y\r\nZ:\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
];

Deno.test("a server machine tells of a stream cut anywhere what it tells of the whole", () => {
  for (const stream of STREAMS) {
    const bytes = toLatin1(stream);
    const whole = serve([bytes]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(serve(pieces(bytes, [cut])), whole, `${stream} at ${cut}`);
    }
    assert.deepEqual(serve(pieces(bytes, bytes.map((_, at) => at) as unknown as number[])), whole);
  }
});

const ANSWERS = [
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
  "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n",
  "HTTP/1.0 200 OK\r\nA: b\r\n c\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!",
];

function ask(parts: readonly Uint8Array[]): string[] {
  const client = new Http1Client();
  const lines: string[] = [];
  client.request(requestOf());
  for (const part of parts) lend(part, (lent) => told(client.feed(lent), lines));
  return told(client.inputEnded("clean"), lines);
}

Deno.test("a client machine tells of an answer cut anywhere what it tells of the whole", () => {
  for (const answer of ANSWERS) {
    const bytes = toLatin1(answer);
    const whole = ask([bytes]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(ask(pieces(bytes, [cut])), whole, `${answer} at ${cut}`);
    }
  }
});

const fragment = fc.constantFrom(
  "GET / HTTP/1.1\r\n",
  "POST /x HTTP/1.1\r\n",
  "HTTP/1.1 200 OK\r\n",
  "HTTP/1.1 101 X\r\n",
  "Host: a\r\n",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close, upgrade\r\n",
  "Upgrade: websocket\r\n",
  "Expect: 100-continue\r\n",
  "\r\n",
  "\n",
  "3\r\nabc\r\n",
  "0\r\n\r\n",
  "0\r\nX: y\r\n\r\n",
  "\x00",
);
const garbage = fc.array(
  fc.oneof({ weight: 8, arbitrary: fragment }, fc.string({ unit: "binary-ascii" })),
  {
    maxLength: 20,
  },
).map((parts) => toLatin1(parts.join("")));

Deno.test("machines of HTTP/1 say the same of garbage however it is cut, and nothing behind their end", () => {
  fc.assert(
    fc.property(garbage, fc.array(fc.nat(), { maxLength: 5 }), (bytes, cuts) => {
      for (const run of [serve, ask]) {
        const whole = run([bytes]);
        assert.deepEqual(run(pieces(bytes, cuts)), whole);
        const end = whole.findIndex((line) => line.startsWith("close"));
        assert.ok(end < 0 || end === whole.length - 1, whole.join("\n"));
      }
    }),
    { numRuns: 1500 },
  );
});
