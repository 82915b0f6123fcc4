import assert from "node:assert/strict";
import { concat } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { ClientStep, HttpRequest, HttpResponse, ServerStep } from "../exchange.ts";
import { Http1Client } from "../http1/client.ts";
import { crlf, lend } from "../http1/http1_fixture.ts";
import { Http1Server } from "../http1/server.ts";
import { Join } from "../join_fixture.ts";
import { requestOf, responseOf, told } from "../steps_fixture.ts";
import { FramedClient } from "./client.ts";
import { DATA, END, packFrame, packReset, REQUEST, RESPONSE } from "./frames.ts";
import { FramedServer } from "./server.ts";

const ORIGIN = { visitor: "192.0.2.1", requestId: "abc" };
const written = (steps: readonly (ServerStep | ClientStep)[]) =>
  concat(...steps.flatMap((step) => step.kind === "write" ? [step.bytes.slice()] : []));

const HEAD = requestOf({
  method: "POST",
  path: "/a%2F//b?c=\xff",
  fields: [{ name: "X-Odd-case", value: "a: b\t\xe4" }, { name: "empty", value: "" }],
  hasBody: true,
});

Deno.test("an exchange arrives as it was sent, wherever the stream is cut", () => {
  const client = new FramedClient(ORIGIN);
  const bytes = concat(
    written(client.request(HEAD)),
    written(client.data(toLatin1("hello"))),
    written(client.data(new Uint8Array(100))),
    written(client.end([{ name: "X-Sum", value: "1" }])),
  );
  const server = new FramedServer();
  const whole = told(server.feed(bytes));
  assert.deepEqual(server.origin, ORIGIN);
  assert.deepEqual(whole, [
    "request 1: POST https://shop.example /a%2F//b?c=\xff [X-Odd-case: a: b\t\xe4] [empty: ] +body",
    `data 1: hello${"\0".repeat(100)}`,
    "end 1 [X-Sum: 1]",
  ]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const lines: string[] = [];
    const cutServer = new FramedServer();
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      lend(part, (lent) => told(cutServer.feed(lent), lines));
    }
    assert.deepEqual(lines, whole);
  }
  const answer = concat(
    written(server.respond(1, responseOf(103, { Link: "x" }))),
    written(server.respond(1, responseOf(200, { "content-length": "2" }))),
    written(server.data(1, toLatin1("hi"))),
    written(server.end(1, [])),
  );
  for (let cut = 0; cut <= answer.length; cut++) {
    const lines: string[] = [];
    const asked = new FramedClient(ORIGIN);
    asked.request(requestOf());
    for (const part of [answer.subarray(0, cut), answer.subarray(cut)]) {
      lend(part, (lent) => told(asked.feed(lent), lines));
    }
    assert.deepEqual(lines, [
      "response: 103  [Link: x]",
      "response: 200  [content-length: 2]",
      "data: hi",
      "end",
      "close (clean)",
    ]);
  }
});

/** Bytes of a visitor by way of a node and an agent to a target, and back. */
class Chain {
  toVisitor = "";
  toTarget = "";
  readonly events: string[] = [];
  readonly #visitor = new Http1Server({
    scheme: "https",
    makePage: () => ({ fields: [], body: new Uint8Array() }),
  });
  readonly #agent = new FramedServer();
  readonly #queue: (() => void)[] = [];
  readonly #node = new Join(this.#visitor, () => new FramedClient(ORIGIN), {
    toVisitor: (bytes) => void (this.toVisitor += fromLatin1(bytes).replaceAll("\r\n", "\n")),
    toTarget: (bytes) => this.#later(bytes, (kept) => this.#far.fromServer(this.#agent.feed(kept))),
    event: (line) => void this.events.push(`node ${line}`),
  });
  readonly #far = new Join(this.#agent, () => new Http1Client(), {
    toVisitor: (bytes) =>
      this.#later(bytes, (kept) => this.#node.fromClient(this.#node.client.feed(kept))),
    toTarget: (bytes) => void (this.toTarget += fromLatin1(bytes).replaceAll("\r\n", "\n")),
    event: (line) => void this.events.push(`agent ${line}`),
  });

  visitor(text: string): this {
    this.#node.fromServer(this.#visitor.feed(toLatin1(crlf(text))));
    return this.#run();
  }

  target(text: string): this {
    this.#far.fromClient(this.#far.client.feed(toLatin1(crlf(text))));
    return this.#run();
  }

  #later(bytes: Uint8Array, use: (kept: Uint8Array) => void): void {
    const kept = bytes.slice();
    this.#queue.push(() => use(kept));
  }

  #run(): this {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    return this;
  }
}

Deno.test("a request goes by way of node and agent, and its answer back", () => {
  const chain = new Chain();
  chain.visitor(
    "POST /x HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTE: trailers\n\n2\nhi\n0\nA: b\n\n",
  );
  assert.equal(
    chain.toTarget,
    "POST /x HTTP/1.1\nHost: a\nTE: trailers\nTransfer-Encoding: chunked\nConnection: TE\n\n2\nhi\n0\nA: b\n\n",
  );
  chain.target(
    "HTTP/1.1 100 Continue\n\nHTTP/1.1 200 Fine\nX: y\nTransfer-Encoding: chunked\n\n2\nho\n0\nC: d\n\n",
  );
  assert.equal(
    chain.toVisitor,
    "HTTP/1.1 200 Fine\nX: y\nTransfer-Encoding: chunked\n\n2\nho\n0\nC: d\n\n",
  );
});

Deno.test("a websocket goes by way of node and agent", () => {
  const chain = new Chain();
  chain.visitor("GET / HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\nearly");
  assert.equal(
    chain.toTarget,
    "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade\n\n",
  );
  chain.target(
    "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n\nhello",
  );
  assert.ok(chain.toTarget.endsWith("\n\nearly"));
  assert.ok(chain.toVisitor.endsWith("\nUpgrade: websocket\nConnection: Upgrade\n\nhello"));
  chain.visitor("there").target("again");
  assert.ok(chain.toTarget.endsWith("earlythere"));
  assert.ok(chain.toVisitor.endsWith("helloagain"));
});

Deno.test("an early answer ends both ends, and nothing is told of the rest", () => {
  const chain = new Chain();
  chain.visitor("POST / HTTP/1.1\nHost: a\nContent-Length: 100\n\nbegin");
  chain.target("HTTP/1.1 413 No\nContent-Length: 2\n\nno");
  assert.equal(chain.toVisitor, "HTTP/1.1 413 No\nContent-Length: 2\nConnection: close\n\nno");
  assert.deepEqual(chain.events.sort(), [
    "agent target: close (reset)",
    "agent visitor: close (clean)",
    "node target: close (reset)",
    "node visitor: close (clean)",
  ]);
});

const frame = (type: number, text: string) => packFrame(type, toLatin1(text));

Deno.test("an agent cannot put into a visitor's connection what is not a response's", () => {
  for (
    const [what, ...frames] of [
      ["no status", frame(RESPONSE, "abc\n\n\n")],
      ["a line in a reason", frame(RESPONSE, "200 a\nb\n\nX\n")],
      ["CR in a reason", frame(RESPONSE, "200 a\r\n\n\n")],
      ["CR in a value", frame(RESPONSE, "200 \n\nA:b\rC:d\n\n")],
      ["a name with a space", frame(RESPONSE, "200 \n\nA b:c\n\n")],
      ["framing", frame(RESPONSE, "200 \n\nTransfer-Encoding:chunked\n\n")],
      ["connection", frame(RESPONSE, "200 \n\nConnection:close\n\n")],
      ["upgrade", frame(RESPONSE, "200 \n\nupgrade:x\n\n")],
      ["two lengths", frame(RESPONSE, "200 \n\nContent-Length:1\ncontent-length:2\n\n")],
      ["no length", frame(RESPONSE, "200 \n\nContent-Length:x\n\n")],
      ["a tunnel unasked", frame(RESPONSE, "101 \nx\n\n")],
      ["text behind the fields", frame(RESPONSE, "200 \n\nA:b\n\nHTTP/1.1 200 OK\n\n")],
      ["data before a response", frame(DATA, "x")],
      ["an end before a response", frame(END, "\n")],
      ["a request", frame(REQUEST, "GET https a / 0\n\n \n\n")],
      ["an unknown type", frame(9, "")],
      ["a head that is too long", concat(Uint8Array.of(RESPONSE, 0x80, 0x10, 0, 0))],
      ["hints without an end", ...Array.from({ length: 40 }, () => frame(RESPONSE, "103 \n\n\n"))],
    ] as const
  ) {
    const client = new FramedClient(ORIGIN);
    client.request(requestOf());
    const lines = told(client.feed(concat(...frames as Uint8Array[])));
    assert.deepEqual(lines.slice(-2), ["reset protocol", "close (reset)"], what);
    assert.ok(what.startsWith("hints") || lines.length === 2, what);
    assert.deepEqual(client.feed(frame(DATA, "x")), []);
  }
});

Deno.test("a request that could be read in another way at the target is refused by the agent", () => {
  for (
    const text of [
      "GET https a /b c 0\n\n \n\n",
      "GET https a b 0\n\n \n\n",
      "GET https a /#x 0\n\n \n\n",
      "GET https a/b / 0\n\n \n\n",
      "GET ftp a / 0\n\n \n\n",
      "G T https a / 0\n\n \n\n",
      "GET https a / 2\n\n \n\n",
      "CONNECT https a /x 0\n\n \n\n",
      "CONNECT https   0\n\n \n\n",
      "GET https a / 0\n\n \nHost:b\n\n",
      "GET https a / 0\n\n \nTransfer-Encoding:chunked\n\n",
      "GET https a / 0\n\n \nA:b",
    ]
  ) {
    const lines = told(new FramedServer().feed(frame(REQUEST, text)));
    assert.ok(lines[0]!.startsWith("write: \x04"), text);
    assert.equal(lines[1], "close (clean)");
  }
});

Deno.test("each end is told why the other has given up", () => {
  const server = new FramedServer();
  const client = new FramedClient(ORIGIN);
  server.feed(written(client.request(HEAD)));
  const why = server.reset(1, "refused", "Nobody listens\nthere");
  assert.deepEqual(told(why).at(-1), "close (clean)");
  const [reset] = client.feed(written(why));
  assert.deepEqual(reset, { kind: "reset", code: "refused", words: "Nobody listens there" });
  const other = new FramedServer();
  const gone = new FramedClient(ORIGIN);
  other.feed(written(gone.request(HEAD)));
  assert.deepEqual(told(other.feed(written(gone.reset("cancel")))), [
    "reset 1 cancel",
    "close (reset)",
  ]);
  const cut = new FramedServer();
  cut.feed(written(new FramedClient(ORIGIN).request(HEAD)));
  assert.deepEqual(told(cut.inputEnded("clean")), ["reset 1 cancel", "close (reset)"]);
  assert.deepEqual(told(new FramedServer().feed(packReset("cancel", ""))).at(-1), "close (clean)");
});

Deno.test("an end before an answer is told from one within it", () => {
  const client = new FramedClient(ORIGIN);
  client.request(requestOf());
  assert.deepEqual(told(client.inputEnded("reset")), ["reset unanswered", "close (reset)"]);
  const half = new FramedClient(ORIGIN);
  half.request(requestOf());
  half.feed(frame(RESPONSE, "200 \n\n\n"));
  assert.deepEqual(told(half.inputEnded("clean")), ["reset incomplete", "close (reset)"]);
});

Deno.test("both ends read no further than what has gone on", () => {
  const client = new FramedClient(ORIGIN);
  const server = new FramedServer();
  server.feed(written(client.request(HEAD)));
  const piece = packFrame(DATA, new Uint8Array(65_536));
  server.feed(piece);
  assert.ok(!server.wantsInput);
  server.consumed(1, 65_536);
  assert.ok(server.wantsInput);
  client.feed(frame(RESPONSE, "200 \n\n\n"));
  client.feed(piece);
  assert.ok(!client.wantsInput);
  client.consumed(1);
  assert.ok(client.wantsInput);
});

Deno.test("heads keep everything that they have", () => {
  const response: HttpResponse = {
    status: 426,
    reason: "Odd \xe4 words",
    fields: [{ name: "a", value: "" }, { name: "A", value: "x  y" }],
    upgrade: "x/2, y",
  };
  const request: HttpRequest = { ...requestOf(), authority: "[::1]:8080", upgrade: "websocket" };
  const server = new FramedServer();
  const client = new FramedClient({ visitor: "2001:db8::1", requestId: "x" });
  assert.deepEqual(server.feed(written(client.request(request)))[0], {
    kind: "request",
    id: 1,
    head: request,
  });
  assert.deepEqual(client.feed(written(server.respond(1, response)))[0], {
    kind: "response",
    head: response,
  });
});

Deno.test("a request that says to have no body has no length, which the service would wait for", () => {
  const server = new FramedServer();
  const head = (length: string) => `POST https a /x 0\n\n192.0.2.1 x\ncontent-length:${length}\n\n`;
  assert.deepEqual(told(server.feed(frame(REQUEST, head("5")))).at(-1), "close (clean)");
  const other = new FramedServer();
  assert.match(told(other.feed(frame(REQUEST, head("0"))))[0]!, /^request 1: POST/);
});

Deno.test("words of a reset have nothing that a terminal would obey", () => {
  const client = new FramedClient(ORIGIN);
  client.request(requestOf());
  const [step] = client.feed(packReset("internal", "a\x1b[2J\x9b2J\nb"));
  assert.equal(step?.kind === "reset" && step.words, "a [2J 2J b");
});

Deno.test("an agent's interim responses have an end, in number and in bytes", () => {
  const client = new FramedClient(ORIGIN);
  client.request(requestOf());
  const hint = frame(RESPONSE, `103 \n\nx:${"y".repeat(40_000)}\n\n`);
  assert.match(told(client.feed(hint))[0]!, /^response: 103/);
  assert.deepEqual(told(client.feed(hint)), ["reset protocol", "close (reset)"]);
});
