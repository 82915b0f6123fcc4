import assert from "node:assert/strict";
import { concat } from "../../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../../base/latin1.ts";
import type { ClientStep, HttpRequest, ServerStep } from "../exchange.ts";
import { HpackEncoder } from "../hpack/encoder.ts";
import { lend } from "../http1/http1_fixture.ts";
import { requestOf, responseOf, told } from "../steps_fixture.ts";
import { Http2Client } from "./client.ts";
import { Flag, Frame, Setting } from "./constants.ts";
import { packHeaders, packSettings, packWindowUpdate } from "./frames.ts";
import { frame, u32 } from "./http2_fixture.ts";
import { Http2Server } from "./server.ts";

/** A client and a server machine over a connection that cuts bytes into pieces. */
class Pair {
  readonly client = new Http2Client("http");
  readonly server = new Http2Server({
    scheme: "http",
    makePage: () => ({ fields: [], body: new Uint8Array() }),
    websocketKey: () => "key",
    now: () => 0,
  });
  readonly #size: number;
  readonly #queue: (() => void)[] = [];
  atServer: string[] = [];
  atClient: string[] = [];

  constructor(size = Infinity) {
    this.#size = size;
  }

  fromClient(steps: readonly ClientStep[]): this {
    this.#carry(steps, this.atClient, (part) => this.fromServer(this.server.feed(part), false));
    return this.#run();
  }

  fromServer(steps: readonly ServerStep[], runs = true): this {
    this.#carry(steps, this.atServer, (part) => {
      this.#carry(
        this.client.feed(part),
        this.atClient,
        (back) => void this.fromServer(this.server.feed(back), false),
      );
    });
    return runs ? this.#run() : this;
  }

  #carry(
    steps: readonly (ClientStep | ServerStep)[],
    lines: string[],
    give: (part: Uint8Array) => void,
  ): void {
    for (const step of steps) {
      if (step.kind !== "write") {
        told([step], lines);
        continue;
      }
      const kept = step.bytes.slice();
      for (let at = 0; at < kept.length; at += this.#size) {
        const part = kept.subarray(at, Math.min(kept.length, at + this.#size));
        this.#queue.push(() => lend(part, give));
      }
    }
  }

  #run(): this {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next();
    return this;
  }
}

Deno.test("requests go one after the other on a connection, with trailers both ways", () => {
  for (const size of [1, 7, Infinity]) {
    const pair = new Pair(size);
    for (const id of [1, 3]) {
      pair.atServer = [];
      pair.atClient = [];
      const fields = [{ name: "TE", value: "trailers" }, { name: "X-Odd", value: "\xe4" }];
      const head = requestOf({ method: "POST", path: "/a%2F?\xff", fields, hasBody: true });
      assert.ok(pair.client.isFree);
      pair.fromClient(pair.client.request(head));
      pair.fromClient(pair.client.data(toLatin1("hello")));
      pair.fromClient(pair.client.end([{ name: "X-Sum", value: "1" }]));
      assert.ok(!pair.client.isFree);
      const lines = pair.atServer.join("|").replace(new RegExp(`\\|?data ${id}: `, "g"), "");
      assert.equal(
        lines,
        `request ${id}: POST http://shop.example /a%2F?\xff [te: trailers] [x-odd: \xe4] +bodyhello|end ${id} [x-sum: 1]`,
      );
      pair.fromServer(pair.server.respond(id, responseOf(103, { Link: "x" })));
      pair.fromServer(
        pair.server.respond(id, responseOf(200, { "Content-Type": "application/grpc" })),
      );
      pair.fromServer(pair.server.data(id, toLatin1("there")));
      pair.fromServer(pair.server.end(id, [{ name: "grpc-status", value: "0" }]));
      assert.equal(
        pair.atClient.join("|").replaceAll("|data: ", ""),
        "response: 103  [link: x]|response: 200  [content-type: application/grpc]there|end [grpc-status: 0]",
      );
    }
  }
});

Deno.test("large bodies go both ways as the windows let them", () => {
  const pair = new Pair();
  pair.fromClient(pair.client.request(requestOf({ method: "PUT", hasBody: true })));
  const total = 1_500_000;
  let sent = 0;
  for (let round = 0; sent < total; round++) {
    assert.ok(round < 1000);
    const room = Math.min(pair.client.room(), total - sent);
    if (room > 0) pair.fromClient(pair.client.data(new Uint8Array(room)));
    sent += room;
    pair.fromServer(pair.server.consumed(1, room));
  }
  pair.fromClient(pair.client.end([]));
  assert.equal(pair.atServer.join("").match(/\0/g)!.length, total);
  assert.equal(pair.atServer.at(-1), "end 1");
  pair.fromServer(pair.server.respond(1, responseOf(200)));
  pair.atClient = [];
  for (sent = 0; sent < total;) {
    const room = Math.min(pair.server.room(1), total - sent);
    if (room > 0) pair.fromServer(pair.server.data(1, new Uint8Array(room)));
    sent += room;
    pair.fromClient(pair.client.consumed(room));
  }
  pair.fromServer(pair.server.end(1, []));
  assert.equal(pair.atClient.join("").match(/\0/g)!.length, total);
  assert.equal(pair.atClient.at(-1), "end");
});

Deno.test("an early answer, and a reset of either end, leave the connection for the next request", () => {
  const pair = new Pair();
  const upload = requestOf({ method: "PUT", hasBody: true });
  pair.fromClient(pair.client.request(upload));
  pair.fromServer(pair.server.respond(1, responseOf(413)));
  pair.fromServer(pair.server.end(1, []));
  assert.deepEqual(pair.atClient, ["response: 413 ", "end"]);
  assert.deepEqual([pair.client.data(new Uint8Array(1)), pair.client.end([])], [[], []]);
  pair.atClient = [];
  pair.fromClient(pair.client.request(upload));
  pair.fromClient(pair.client.reset("cancel"));
  assert.equal(pair.atServer.at(-1), "reset 3 cancel");
  pair.fromClient(pair.client.request(upload));
  pair.fromServer(pair.server.reset(5, "refused"));
  assert.deepEqual(pair.atClient, ["reset refused"]);
  assert.ok(pair.client.isFree);
  pair.fromClient(pair.client.request(upload));
  pair.fromServer(pair.server.respond(7, responseOf(200)));
  pair.fromServer(pair.server.reset(7, "internal"));
  assert.equal(pair.atClient.at(-1), "reset incomplete");
});

Deno.test("a step tells when there is room again", () => {
  const { client, feed } = asked({ method: "PUT", hasBody: true });
  assert.equal(client.room(), 65_535);
  client.data(new Uint8Array(65_535));
  assert.equal(client.room(), 0);
  assert.deepEqual(feed(packWindowUpdate(1, 10)), [], "the connection's window is shut too");
  assert.deepEqual(feed(packWindowUpdate(0, 1000)), ["room"]);
  assert.equal(client.room(), 10);
  assert.equal(
    told(client.data(new Uint8Array(11)))[0],
    "reset internal",
    "more than there is room for",
  );
});

/** A client with a request under way, and a server by hand. */
function asked(head: Partial<HttpRequest> = {}) {
  const client = new Http2Client("https");
  const encoder = new HpackEncoder();
  client.request(requestOf(head));
  const feed = (...frames: readonly Uint8Array[]) =>
    lend(
      concat(...frames),
      (lent) => told(client.feed(lent)).filter((line) => !line.startsWith("write")),
    );
  feed(packSettings([]));
  const headers = (list: Readonly<Record<string, string>>, isEnd = true, stream = 1) => {
    const fields = Object.entries(list).map(([name, value]) => ({ name, value }));
    return packHeaders(stream, encoder.encode(fields), { isEnd, max: 16_384 });
  };
  return { client, feed, headers };
}

Deno.test("it begins with the preface, its settings and the request, and waits for nothing", () => {
  const [first, ...more] = new Http2Client("https").request(requestOf());
  assert.equal(
    first?.kind === "write" && fromLatin1(first.bytes),
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  );
  assert.equal(more.length, 3);
  const client = new Http2Client("http");
  const steps = client.feed(packSettings([]));
  assert.equal(
    steps[0]?.kind === "write" && steps[0].bytes[0],
    "P".charCodeAt(0),
    "before its ack",
  );
  assert.equal(client.request(requestOf()).length, 1);
});

Deno.test("a server that goes away: what it has not seen may be sent again", () => {
  const gone = asked();
  assert.deepEqual(gone.feed(frame(Frame.goaway, 0, 0, concat(u32(0), u32(0)))), [
    "reset refused",
    "close (clean)",
  ]);
  const kept = asked();
  assert.deepEqual(kept.feed(frame(Frame.goaway, 0, 0, concat(u32(1), u32(0)))), []);
  assert.deepEqual(kept.feed(kept.headers({ ":status": "204" })), [
    "response: 204 ",
    "end",
    "close (clean)",
  ]);
  assert.ok(!kept.client.isFree);
  assert.deepEqual(told(asked().client.inputEnded("clean")), ["reset unanswered", "close (reset)"]);
  const half = asked();
  half.feed(half.headers({ ":status": "200" }, false));
  assert.deepEqual(told(half.client.inputEnded("clean")), ["reset incomplete", "close (reset)"]);
  assert.deepEqual(told(new Http2Client("http").inputEnded("clean")), ["close (clean)"]);
});

Deno.test("answers that break the protocol fail, and nothing of them goes on", () => {
  const wrong: readonly Readonly<Record<string, string>>[] = [
    { ":status": "99" },
    { ":status": "101" },
    { ":status": "200", ":status2": "x" },
    { "x": "y", ":status": "200" },
    { ":status": "200", "a": "b\r\nc: d" },
    { ":status": "200", "X": "y" },
    { ":status": "200", "connection": "close" },
    { ":status": "200", "transfer-encoding": "chunked" },
    { ":status": "200", "content-length": "x" },
    { ":status": "103" },
  ];
  for (const list of wrong) {
    const { client, feed, headers } = asked();
    assert.deepEqual(feed(headers(list)), ["reset protocol"], JSON.stringify(list));
    assert.ok(client.isFree);
  }
  const two = asked();
  two.feed(two.headers({ ":status": "200" }, false));
  assert.deepEqual(two.feed(two.headers({ ":status": "200" }, false)), ["reset protocol"]);
  const early = asked();
  assert.deepEqual(early.feed(frame(Frame.data, 0, 1, "x")), ["reset protocol"]);
  const hints = asked();
  const many = Array.from({ length: 40 }, () => hints.headers({ ":status": "103" }, false));
  assert.equal(hints.feed(...many).at(-1), "reset protocol");
});

Deno.test("a connection that cannot be trusted is ended", () => {
  for (
    const bytes of [
      frame(Frame.pushPromise, 0, 1, "1234"),
      packWindowUpdate(0, 0),
      packWindowUpdate(1, 2 ** 31 - 1),
      packSettings([[Setting.initialWindowSize, 2 ** 31]]),
      frame(Frame.headers, Flag.endHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
      frame(Frame.continuation, 0, 1, ""),
      frame(Frame.ping, 0, 0, "1"),
    ]
  ) {
    const { client, feed } = asked();
    assert.deepEqual(feed(bytes), ["reset protocol", "close (clean)"]);
    assert.equal(client.waitsFor, "nothing");
  }
  const first = new Http2Client("http");
  first.request(requestOf());
  assert.equal(told(first.feed(frame(Frame.ping, 0, 0, "12345678"))).at(-1), "close (clean)");
});

Deno.test("a service of HTTP/2 is asked for no websocket", () => {
  assert.deepEqual(told(new Http2Client("http").request(requestOf({ upgrade: "websocket" }))), [
    "reset protocol",
  ]);
});
