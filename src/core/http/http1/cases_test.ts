import assert from "node:assert/strict";
import { responseOf } from "../steps_fixture.ts";
import { ClientTalk, Relay, ServerTalk } from "./machines_fixture.ts";

/**
 * Cases that users of frp, cloudflared, ngrok, traefik and others have reported as broken, where it has to
 * do with HTTP/1: a visitor's connection and a target's, joined as a relay joins them.
 */
const GET = "GET / HTTP/1.1\nHost: a\n";

Deno.test("Connection is a list of tokens: `keep-alive, Upgrade` is an upgrade (frp #2199)", () => {
  for (
    const value of [
      "keep-alive, Upgrade",
      "Upgrade",
      "upgrade,keep-alive",
      "x\nConnection: UPGRADE",
    ]
  ) {
    const relay = new Relay();
    relay.visitor(`${GET}Connection: ${value}\nUpgrade: websocket\nSec-WebSocket-Key: k\n\n`);
    assert.equal(
      relay.toTarget,
      "GET / HTTP/1.1\nHost: a\nSec-WebSocket-Key: k\nUpgrade: websocket\nConnection: Upgrade\n\n",
    );
    relay.target(
      "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: upgrade\nSec-WebSocket-Accept: x\n\nhello",
    );
    assert.equal(
      relay.toVisitor,
      "HTTP/1.1 101 Switching Protocols\nSec-WebSocket-Accept: x\nUpgrade: websocket\nConnection: Upgrade\n\nhello",
    );
    relay.visitor("there").visitorEnded();
    assert.ok(relay.toTarget.endsWith("\n\nthere"));
    assert.deepEqual(relay.events, ["target: closeWrite"]);
    relay.target("bye").targetEnded();
    assert.ok(relay.toVisitor.endsWith("hellobye"));
    assert.deepEqual(relay.events, [
      "target: closeWrite",
      "visitor: close (clean)",
      "target: close (clean)",
    ]);
  }
});

Deno.test("a streamed body goes on at once, piece by piece, whatever its type (cloudflared #199, #1449)", () => {
  const head = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n";
  const relay = new Relay().visitor(`${GET}\n`).target(`${head}6\ndata: `);
  assert.equal(relay.toVisitor, `${head}6\ndata: \n`);
  for (const piece of ["1", "22", "333"]) {
    relay.target(`\n${piece.length}\n${piece}`);
    assert.ok(relay.toVisitor.endsWith(`\n${piece.length}\n${piece}\n`), relay.toVisitor);
  }
  const old = new Relay();
  old.visitor(`${GET}\n`).target("HTTP/1.0 200 OK\nContent-Type: text/event-stream\n\ndata: 1");
  assert.ok(old.toVisitor.endsWith("\n\n7\ndata: 1\n"));
  old.target("\n\n");
  assert.ok(old.toVisitor.endsWith("4\n\n\n\n"));
  old.targetEnded();
  assert.ok(old.toVisitor.endsWith("0\n\n"));
});

Deno.test("trailers go through both ways, and TE: trailers does (cloudflared #1641, traefik #4181)", () => {
  const relay = new Relay();
  relay.visitor(
    "POST /grpc HTTP/1.1\nHost: a\nTE: trailers\nConnection: TE\nTransfer-Encoding: chunked\n\n" +
      "2\nhi\n0\nX-Sum:  1 \nContent-Length: 9\n\n",
  );
  assert.equal(
    relay.toTarget,
    "POST /grpc HTTP/1.1\nHost: a\nTE: trailers\nTransfer-Encoding: chunked\nConnection: TE\n\n" +
      "2\nhi\n0\nX-Sum: 1\n\n",
  );
  relay.target(
    "HTTP/1.1 200 OK\nTrailer: grpc-status\nTransfer-Encoding: chunked\n\n0\ngrpc-status: 0\n\n",
  );
  assert.equal(
    relay.toVisitor,
    "HTTP/1.1 200 OK\nTrailer: grpc-status\nTransfer-Encoding: chunked\n\n0\ngrpc-status: 0\n\n",
  );
  assert.deepEqual(relay.events, []);
  assert.equal(relay.server.waitsFor, "request");
  assert.ok(relay.client.isFree);
});

Deno.test("Expect: one 100 alone goes on, and the final status is kept (traefik #2899)", () => {
  const post = "POST / HTTP/1.1\nHost: a\nContent-Length: 2\n";
  const relay = new Relay();
  relay.visitor(`${post}Expect: 100-Continue\n\n`);
  assert.ok(relay.toTarget.includes("\nExpect: 100-Continue\n"));
  relay.target("HTTP/1.1 100 Continue\n\nHTTP/1.1 100 Continue\n\n");
  assert.equal(relay.toVisitor, "HTTP/1.1 100 Continue\n\n");
  relay.visitor("hi").target("HTTP/1.1 201 Created\nContent-Length: 0\n\n");
  assert.equal(
    relay.toVisitor,
    "HTTP/1.1 100 Continue\n\nHTTP/1.1 201 Created\nContent-Length: 0\n\n",
  );
  assert.deepEqual(relay.events, []);

  const refused = new Relay();
  refused.visitor(`${post}Expect: 100-continue\n\n`).target(
    "HTTP/1.1 417 No\nContent-Length: 0\n\n",
  );
  assert.equal(refused.toVisitor, "HTTP/1.1 417 No\nContent-Length: 0\nConnection: close\n\n");

  const unasked = new Relay();
  unasked.visitor(`${post}\nhi`).target(
    "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
  );
  assert.equal(unasked.toVisitor, "HTTP/1.1 200 OK\nContent-Length: 0\n\n");
});

Deno.test("other interim responses go on, but not to HTTP/1.0, and not without an end", () => {
  const hint = "HTTP/1.1 103 Early Hints\nLink: </a>\n\n";
  const relay = new Relay().visitor(`${GET}\n`).target(hint);
  assert.equal(relay.toVisitor, hint);
  const old = new Relay().visitor("GET / HTTP/1.0\n\n").target(hint);
  assert.equal(old.toVisitor, "");
  relay.target(hint.repeat(40));
  assert.deepEqual(relay.events, [
    "target: protocol",
    "visitor: close (reset)",
    "target: close (reset)",
  ]);
});

Deno.test("an early 401 or 413 during an upload reaches the visitor whole (vegur #109)", () => {
  for (const status of [401, 413]) {
    const relay = new Relay();
    relay.visitor("POST / HTTP/1.1\nHost: a\nContent-Length: 1000000\n\nbegin");
    relay.target(`HTTP/1.1 ${status} No\nContent-Length: 3\n\nno!`);
    assert.equal(
      relay.toVisitor,
      `HTTP/1.1 ${status} No\nContent-Length: 3\nConnection: close\n\nno!`,
    );
    // A reset could overtake the answer: the visitor's connection is read until it ends.
    assert.deepEqual(relay.events, ["visitor: close (clean)", "target: close (reset)"]);
    relay.visitor("more");
  }
});

Deno.test("an answer that streams while the upload goes on does not stop it", () => {
  const relay = new Relay();
  relay.visitor("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n1\na\n");
  relay.target("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\nA\n");
  relay.visitor("1\nb\n0\n\n").target("1\nB\n0\n\n");
  assert.ok(relay.toTarget.endsWith("\n\n1\na\n1\nb\n0\n\n"));
  assert.ok(relay.toVisitor.endsWith("\n\n1\nA\n1\nB\n0\n\n"));
});

Deno.test("a kept connection that has closed is told from a failed answer (caddy #6452)", () => {
  const client = new ClientTalk();
  client.request({
    method: "GET",
    scheme: "http",
    authority: "a",
    path: "/",
    fields: [],
    hasBody: false,
    upgrade: null,
  });
  assert.deepEqual(client.ended(), ["reset unanswered", "close (reset)"]);
  const half = new ClientTalk();
  half.request({
    method: "GET",
    scheme: "http",
    authority: "a",
    path: "/",
    fields: [],
    hasBody: false,
    upgrade: null,
  });
  half.server("HTTP/1.1 200");
  assert.deepEqual(half.ended(), ["reset incomplete", "close (reset)"]);
});

Deno.test("an upload streams, and waits only for what has not gone on (cloudflared #128)", () => {
  const server = new ServerTalk();
  server.client("PUT / HTTP/1.1\nHost: a\nContent-Length: 10000000000\n\n");
  const piece = new Uint8Array(32 * 1024).fill(0x78);
  for (let round = 0; round < 50; round++) {
    server.bytes(piece);
    assert.ok(server.machine.wantsInput);
    server.bytes(piece);
    assert.ok(!server.machine.wantsInput);
    server.machine.consumed(1, 2 * piece.length);
    assert.ok(server.machine.wantsInput);
  }
});

Deno.test("HEAD, 204 and 304 do not hang, and get no framing (envoy #16071)", () => {
  for (
    const [method, head, told] of [
      ["HEAD", "200 OK\nContent-Length: 9\n", "200 OK\nContent-Length: 9\n"],
      ["HEAD", "200 OK\nTransfer-Encoding: chunked\n", "200 OK\n"],
      ["HEAD", "200 OK\n", "200 OK\n"],
      ["GET", "204 No Content\nContent-Length: 9\n", "204 No Content\n"],
      ["GET", "204 No Content\nTransfer-Encoding: chunked\n", "204 No Content\n"],
      [
        "GET",
        "304 Not Modified\nContent-Length: 9\nETag: x\n",
        "304 Not Modified\nContent-Length: 9\nETag: x\n",
      ],
      ["GET", "304 Not Modified\nTransfer-Encoding: chunked\n", "304 Not Modified\n"],
    ] as const
  ) {
    const relay = new Relay();
    relay.visitor(`${method} / HTTP/1.1\nHost: a\n\n`).target(`HTTP/1.1 ${head}\n`);
    assert.equal(relay.toVisitor, `HTTP/1.1 ${told}\n`);
    assert.equal(relay.server.waitsFor, "request");
    assert.deepEqual(relay.events, []);
    assert.ok(relay.client.isFree, head);
  }
});

Deno.test("%2F, double slashes, dot segments and odd bytes go on unchanged (traefik #684)", () => {
  for (
    const path of ["/a%2Fb//c/../d/./?x=%20&y=//", "//", "/%00%zz", "/?", "/a;b=c?d?e", "/\xe4\xff"]
  ) {
    const relay = new Relay().visitor(`GET ${path} HTTP/1.1\nHost: a\n\n`);
    assert.equal(relay.toTarget, `GET ${path} HTTP/1.1\nHost: a\n\n`);
    const absolute = new Relay().visitor(`GET http://a${path} HTTP/1.1\nHost: A\n\n`);
    assert.equal(absolute.toTarget, `GET ${path} HTTP/1.1\nHost: a\n\n`);
  }
});

Deno.test("every form of smuggling is refused before a byte goes on (sozu #726)", () => {
  const post = "POST / HTTP/1.1\nHost: a\n";
  for (
    const text of [
      `${post}Content-Length: 1\nTransfer-Encoding: chunked\n\n`,
      `${post}Transfer-Encoding: chunked\nContent-Length: 1\n\n`,
      `${post}Content-Length: 1\nContent-Length: 1\n\n`,
      `${post}Content-Length: 1\nContent-Length: 2\n\n`,
      `${post}Content-Length: 1, 1\n\n`,
      `${post}Content-Length: +1\n\n`,
      `${post}Content-Length: 0x1\n\n`,
      `${post}Content-Length: 1_0\n\n`,
      `${post}Content-Length: \n\n`,
      `${post}Content-Length : 1\n\n`,
      `${post}Content-Length\t: 1\n\n`,
      `${post} Content-Length: 1\n\n`,
      `${post}X: y\n\tContent-Length: 1\n\n`,
      `${post}Transfer-Encoding : chunked\n\n`,
      `${post}Transfer-Encoding: \x0bchunked\n\n`,
      `${post}Transfer-Encoding: xchunked\n\n`,
      `${post}Transfer-Encoding: chunked, identity\n\n`,
      `${post}Transfer-Encoding: chunked, chunked\n\n`,
      `${post}Transfer-Encoding: chunked\nTransfer-Encoding: x\n\n`,
      `${post}Transfer-Encoding: "chunked"\n\n`,
      `${post}Transfer-Encoding: gzip, chunked\n\n`,
      `${post}Transfer-Encoding:\n chunked\n\n`,
      `${post}X: a\rTransfer-Encoding: chunked\n\n`,
      `${post}X: \x00\n\n`,
      `${post}X\n\n`,
      `${post}: x\n\n`,
      "POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked\n\n",
      "GET / HTTP/1.1\nHost: a\nHost: b\n\n",
      "GET / HTTP/1.1\nHost: a\nHost: a\n\n",
      "GET / HTTP/1.1\nHost: a, b\n\n",
      "GET / HTTP/1.1\nHost: a b\n\n",
      "GET / HTTP/1.1\nHost: a/b\n\n",
      "GET / HTTP/1.1\nHost: u@a\n\n",
      "GET / HTTP/1.1\nHost:\n\n",
      "GET / HTTP/1.1\n\n",
      "GET http://b/ HTTP/1.1\nHost: a\n\n",
      "GET http://u:p@a/ HTTP/1.1\nHost: a\n\n",
      "GET ftp://a/ HTTP/1.1\nHost: a\n\n",
      "GET /#x HTTP/1.1\nHost: a\n\n",
      "GET a HTTP/1.1\nHost: a\n\n",
      "GET * HTTP/1.1\nHost: a\n\n",
      "GET  / HTTP/1.1\nHost: a\n\n",
      "GET / x HTTP/1.1\nHost: a\n\n",
      "GET\t/ HTTP/1.1\nHost: a\n\n",
      "GET /\x7f HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1 \nHost: a\n\n",
      "GET / HTTP/2.0\nHost: a\n\n",
      "GET /\nHost: a\n\n",
      "G@T / HTTP/1.1\nHost: a\n\n",
      " GET / HTTP/1.1\nHost: a\n\n",
      "CONNECT a:1 HTTP/1.1\nHost: a:1\nContent-Length: 1\n\n",
      "CONNECT a HTTP/1.1\nHost: a\n\n",
      "CONNECT /x HTTP/1.1\nHost: a\n\n",
    ]
  ) {
    const relay = new Relay().visitor(text);
    assert.equal(relay.toTarget, "", text);
    assert.match(relay.toVisitor, /^HTTP\/1\.1 [45]0[015] .*\nConnection: close\n\n/s, text);
    assert.deepEqual(relay.events, ["visitor: close (clean)"], text);
  }
});

Deno.test("a line that ends with LF alone is refused: others read no end there", () => {
  const talk = new ServerTalk();
  const bytes = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n");
  assert.match(talk.bytes(bytes)[0]!, /^write: HTTP\/1\.1 400 /);
});

Deno.test("a chunked body that two could read in two ways is refused, and ends both connections", () => {
  const post = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n";
  for (
    const body of [
      "0x1\na\n0\n\n",
      "1\nab\n",
      "-1\n",
      "1;\x00\na\n",
      "g\n",
      " 1\na\n",
      "1\na0\n\n",
      "fffffffffffffffff\n",
    ]
  ) {
    const relay = new Relay().visitor(post + body);
    assert.match(relay.toVisitor, /^HTTP\/1\.1 400 /, body);
    assert.deepEqual(relay.events, ["target: close (reset)", "visitor: close (clean)"], body);
  }
});

Deno.test("a visitor who leaves has the target's work ended (cloudflared #1012)", () => {
  for (const how of ["clean", "reset"] as const) {
    const relay = new Relay().visitor(`${GET}\n`).visitorEnded(how);
    assert.deepEqual(relay.events, ["target: close (reset)", "visitor: close (reset)"]);
  }
});

Deno.test("a target that breaks off within its answer does not make a whole one of a part", () => {
  for (const head of ["Content-Length: 9", "Transfer-Encoding: chunked", "X: y"]) {
    const relay = new Relay().visitor(`${GET}\n`);
    relay.target(`HTTP/1.1 200 OK\n${head}\n\n${head.endsWith("chunked") ? "2\nhi\n" : "hi"}`);
    relay.targetEnded("reset");
    assert.ok(!relay.toVisitor.includes("0\n\n"));
    assert.deepEqual(relay.events, [
      "target: incomplete",
      "visitor: close (reset)",
      "target: close (reset)",
    ]);
  }
});

Deno.test("a 101 that nobody asked for, or to another connection, is no tunnel", () => {
  const relay = new Relay().visitor(`${GET}\n`);
  relay.target("HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade\n\n");
  assert.deepEqual(relay.events, [
    "target: protocol",
    "visitor: close (reset)",
    "target: close (reset)",
  ]);
  const server = new ServerTalk();
  server.client(`${GET}\n`);
  assert.deepEqual(server.respond(1, responseOf(101, {}, "x")), ["close (reset)"]);
});
