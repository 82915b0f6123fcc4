import assert from "node:assert/strict";

import { responseOf, told } from "../steps_fixture.ts";
import { ServerTalk } from "./machines_fixture.ts";

const GET = "GET / HTTP/1.1\nHost: a\n\n";

Deno.test("one request after the other is served on a connection, and pipelined ones in turn", () => {
  const talk = new ServerTalk();
  assert.deepEqual(talk.client(GET + GET.replace("/", "/2") + GET.replace("/", "/3").slice(0, 9)), [
    "request 1: GET https://a /",
    "end 1",
  ]);
  assert.deepEqual(talk.answer(1), [
    "write: HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "request 2: GET https://a /2",
    "end 2",
  ]);
  assert.deepEqual(talk.answer(2), ["write: HTTP/1.1 200 OK\nContent-Length: 2\n\nok"]);
  assert.equal(talk.machine.waitsFor, "head");
  assert.deepEqual(talk.client(GET.replace("/", "/3").slice(9)), [
    "request 3: GET https://a /3",
    "end 3",
  ]);
});

Deno.test("what comes of later requests is held up to a limit, and the client waits", () => {
  const talk = new ServerTalk();
  talk.client(GET);
  assert.ok(talk.machine.wantsInput);
  talk.bytes(new Uint8Array(16 * 1024).fill(0x78));
  assert.ok(!talk.machine.wantsInput);
  assert.deepEqual(talk.answer(1), ["write: HTTP/1.1 200 OK\nContent-Length: 2\n\nok"]);
  assert.ok(talk.machine.wantsInput);
});

Deno.test("calls for an exchange that is over do nothing", () => {
  const talk = new ServerTalk();
  talk.client(GET);
  talk.answer(1);
  assert.deepEqual(talk.respond(1, responseOf(200)), []);
  assert.deepEqual([talk.data(1, "x"), talk.end(1), talk.end(2)], [[], [], []]);
  assert.deepEqual(told(talk.machine.reset(1, "cancel")), []);
  talk.client(GET);
  talk.respond(2, responseOf(200));
  assert.deepEqual(talk.respond(2, responseOf(500)), [], "there is one final response");
});

Deno.test("a response without a length is in chunks, to HTTP/1.0 up to the connection's end", () => {
  const talk = new ServerTalk();
  talk.client(GET);
  assert.deepEqual(talk.respond(1, responseOf(200)), [
    "write: HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n",
  ]);
  assert.deepEqual(talk.data(1, "0123456789abcdef"), ["write: 10\n0123456789abcdef\n"]);
  assert.deepEqual(talk.end(1, [{ name: "X", value: "y" }]), ["write: 0\nX: y\n\n"]);
  const old = new ServerTalk();
  assert.deepEqual(
    old.client("GET / HTTP/1.0\nConnection: keep-alive\nTE: trailers\nExpect: x\n\n"),
    [
      "request 1: GET https:// /",
      "end 1",
    ],
  );
  assert.deepEqual(old.respond(1, responseOf(200)), [
    "write: HTTP/1.0 200 OK\nConnection: close\n\n",
  ]);
  assert.deepEqual(old.data(1, "abc"), ["write: abc"]);
  assert.deepEqual(old.end(1, [{ name: "X", value: "y" }]), ["close (clean)"]);
});

Deno.test("a body that is not as long as its head says ends in a reset", () => {
  for (const body of ["abc", "a"]) {
    const talk = new ServerTalk();
    talk.client(GET);
    talk.respond(1, responseOf(200, { "Content-Length": "2" }));
    const lines = [...talk.data(1, body), ...talk.end(1)];
    assert.equal(lines.at(-1), "close (reset)");
    assert.ok(!lines.includes("write: abc"));
  }
});

Deno.test("a client that says close, or a server that drains, ends the connection behind the answer", () => {
  const talk = new ServerTalk();
  talk.client("GET / HTTP/1.1\nHost: a\nConnection: close\n\n" + GET);
  assert.deepEqual(talk.answer(1), [
    "write: HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok",
    "close (clean)",
  ]);
  assert.equal(talk.machine.waitsFor, "nothing");
  const drained = new ServerTalk();
  drained.client(GET);
  assert.deepEqual(told(drained.machine.drain()), []);
  assert.equal(drained.answer(1).at(-1), "close (clean)");
  const idle = new ServerTalk();
  assert.deepEqual(told(idle.machine.drain()), ["close (clean)"]);
});

Deno.test("a head that comes too slowly is answered 408; an idle connection just ends", () => {
  const talk = new ServerTalk();
  assert.equal(talk.machine.waitsFor, "request");
  talk.client("GET / HT");
  assert.equal(talk.machine.waitsFor, "head");
  const [page, end] = told(talk.machine.timedOut());
  assert.match(page!, /^write: HTTP\/1\.1 408 Request Timeout\n/);
  assert.equal(end, "close (clean)");
  assert.deepEqual(told(new ServerTalk().machine.timedOut()), ["close (clean)"]);
  const busy = new ServerTalk();
  busy.client(GET);
  assert.deepEqual(told(busy.machine.timedOut()), []);
});

Deno.test("a head that is too long, or has too many fields, is refused before more is held", () => {
  for (
    const [text, status] of [
      [`GET /${"x".repeat(65_536)}`, 414],
      [`GET / HTTP/1.1\nA: ${"x".repeat(65_536)}`, 431],
      [`GET / HTTP/1.1\n${"A: b\n".repeat(300)}`, 431],
    ] as const
  ) {
    const talk = new ServerTalk();
    const lines = talk.client(text);
    assert.ok(lines[0]!.startsWith(`write: HTTP/1.1 ${status} `), lines[0]);
    assert.equal(lines[1], "close (clean)");
    assert.deepEqual(talk.client("more"), []);
  }
});

Deno.test("an expectation that nobody can meet is refused with 417", () => {
  const [page] = new ServerTalk().client("GET / HTTP/1.1\nHost: a\nExpect: miracles\n\n");
  assert.match(page!, /^write: HTTP\/1\.1 417 Expectation Failed\n/);
});

Deno.test("an upgrade that is refused is an ordinary answer; one with a body is none", () => {
  const ask = "GET / HTTP/1.1\nHost: a\nConnection: upgrade\nUpgrade: websocket\n";
  const talk = new ServerTalk();
  assert.deepEqual(talk.client(`${ask}\n`), ["request 1: GET https://a / upgrade=websocket"]);
  assert.deepEqual(talk.answer(1), ["write: HTTP/1.1 200 OK\nContent-Length: 2\n\nok"]);
  assert.deepEqual(talk.client(`${ask}Content-Length: 2\n\nhi`), [
    "request 2: GET https://a / [Content-Length: 2] +body",
    "data 2: hi",
    "end 2",
  ]);
  const early = new ServerTalk();
  early.client(`${ask}\nframe`);
  assert.equal(early.answer(1).at(-1), "close (clean)", "bytes for a tunnel are no request");
  const h2c = new ServerTalk();
  assert.deepEqual(
    h2c.client(
      "GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x\n\n",
    ),
    [
      "request 1: GET https://a /",
      "end 1",
    ],
  );
});

Deno.test("CONNECT opens a tunnel, bytes that came early included; refused, it ends the connection", () => {
  const talk = new ServerTalk();
  assert.deepEqual(
    talk.client("CONNECT shop.example:443 HTTP/1.1\nHost: shop.example:443\n\nearly"),
    [
      "request 1: CONNECT https://shop.example:443 ",
    ],
  );
  assert.deepEqual(talk.respond(1, responseOf(200, { "Content-Length": "5" })), [
    "write: HTTP/1.1 200 OK\n\n",
    "data 1: early",
  ]);
  assert.deepEqual(talk.end(1), ["closeWrite"]);
  assert.deepEqual(talk.client("late"), ["data 1: late"]);
  assert.deepEqual(told(talk.machine.inputEnded("clean")), ["end 1", "close (clean)"]);
  const refused = new ServerTalk();
  refused.client("CONNECT a:1 HTTP/1.1\nHost: a:1\n\n");
  refused.respond(1, responseOf(403, { "Content-Length": "0" }));
  assert.deepEqual(refused.end(1), ["close (clean)"]);
});

Deno.test("fields of the connection alone do not go on, nor what Connection names", () => {
  const talk = new ServerTalk();
  assert.deepEqual(
    talk.client(
      "GET / HTTP/1.1\nhost: a\nConnection: keep-alive, X-Secret, Content-Length\nKeep-Alive: 5\nX-Secret: 1\n" +
        "Proxy-Connection: x\nContent-Length: 0\nProxy-Authorization: y\nTE: gzip\nx-KEPT: z\n\n",
    ),
    ["request 1: GET https://a / [Content-Length: 0] [x-KEPT: z]", "end 1"],
  );
});
