import assert from "node:assert/strict";
import { drain, TunnelPair } from "../../../tests/fake/tunnel_pair.ts";
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { packAck, packDeny, packFin, packPing, parseFrame } from "./frames.ts";

const TARGET = { host: "target.example", port: 80 };
const NONE = new Uint8Array();

/** Opens, and returns the list of what becomes of it. */
function ask(pair: TunnelPair, heard: string[] = []): string[] {
  pair.client.tunnels.open(TARGET, NONE, {
    opened: ({ id }) => void heard.push(`opened ${id}`),
    refused: (code, error) => void heard.push(`refused ${code} ${(error as TtunError).kind}`),
  });
  return heard;
}

Deno.test("bytes go both ways, early ones first, and the server ends behind its data", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open(utf8("early "));
  client.writeNow(utf8("request"));
  pair.settle();
  assert.deepEqual(drain(server), { bytes: utf8("early request"), end: null });
  server.writeNow(utf8("answer"));
  server.closeWrite();
  pair.settle();
  assert.deepEqual(drain(client), { bytes: utf8("answer"), end: "end" });
  assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
});

Deno.test("a client that has ended its side still gets the whole answer", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open();
  client.writeNow(utf8("GET"));
  client.closeWrite();
  pair.settle();
  assert.deepEqual(drain(server), { bytes: utf8("GET"), end: null });
  const answer = new Uint8Array(60_000).fill(7);
  for (let i = 0; i < 20; i++) {
    assert.equal(server.writeNow(answer), answer.length);
    pair.now += 10_000;
    pair.client.tunnels.tick();
    pair.settle();
    assert.equal(drain(client).bytes.length, answer.length);
  }
  server.closeWrite();
  pair.settle();
  assert.equal(drain(client).end, "end");
});

Deno.test("its end is sent when nothing has moved for a while, or when it closes", () => {
  for (const closes of [false, true]) {
    const pair = new TunnelPair();
    const { client, server } = pair.open();
    client.writeNow(utf8("upload"));
    client.closeWrite();
    pair.settle();
    assert(pair.client.tunnels.needsTicks);
    assert.equal(drain(server).end, null);
    if (closes) void client[Symbol.asyncDispose]();
    else {
      pair.now += 14_999;
      pair.client.tunnels.tick();
      pair.settle();
      assert.equal(drain(server).end, null);
      pair.now += 1;
      pair.client.tunnels.tick();
    }
    pair.settle();
    assert.equal(drain(server).end, "end");
    if (!closes) assert.equal(drain(client).end, "end");
    pair.client.tunnels.tick();
    assert(!pair.client.tunnels.needsTicks);
  }
});

Deno.test("FIN goes behind the data, also when the stream is disposed of", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open();
  pair.client.room = 3;
  const bytes = new Uint8Array(50_000).map((_, i) => i * 7);
  assert.equal(client.writeNow(bytes), bytes.length);
  void client[Symbol.asyncDispose]();
  pair.settle();
  assert.equal(drain(server).bytes.length, 3 * 1365);
  pair.client.room = Infinity;
  pair.settle();
  assert.deepEqual(drain(server), { bytes: bytes.subarray(3 * 1365), end: "end" });
  assert.throws(() => client.readNow(new Uint8Array(1)), TtunError);
});

Deno.test("a writer waits for room, and is called when there is some", () => {
  const pair = new TunnelPair();
  const { client } = pair.open();
  pair.client.room = 0;
  const bytes = new Uint8Array(100_000);
  assert.equal(client.writeNow(bytes), 65_536);
  assert.equal(client.writeNow(bytes), 0);
  let calls = 0;
  client.onWritable(() => void calls++);
  pair.settle();
  assert.equal(calls, 0);
  pair.client.room = 30;
  pair.settle();
  assert.equal(calls, 1);
});

Deno.test("tunnels send in turns, whatever waits in one of them", () => {
  const pair = new TunnelPair();
  const tunnels = Array.from({ length: 4 }, () => pair.open());
  for (const { client } of tunnels) client.writeNow(new Uint8Array(60_000));
  pair.client.room = 40;
  pair.settle();
  for (const { server } of tunnels) assert.equal(drain(server).bytes.length, 10 * 1365);
});

Deno.test("a request without an answer fails after 15 s, and its late tunnel is closed", () => {
  const pair = new TunnelPair();
  const heard = ask(pair);
  pair.settle();
  pair.now += 14_999;
  pair.client.tunnels.tick();
  assert.deepEqual(heard, []);
  pair.now += 1;
  pair.client.tunnels.tick();
  assert.deepEqual(heard, ["refused null timeout"]);
  const late = pair.server.tunnels.accept(pair.server.requests[0]!)!;
  pair.settle();
  assert.deepEqual([drain(late).end, heard.length], ["end", 1]);
  assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
});

Deno.test("a request that is given up is forgotten, and its tunnel is closed", () => {
  const pair = new TunnelPair();
  const pending = pair.client.tunnels.open(TARGET, NONE, {
    opened: () => assert.fail(),
    refused: () => assert.fail(),
  });
  pending.cancel();
  pair.settle();
  const stream = pair.server.tunnels.accept(pair.server.requests[0]!)!;
  pair.settle();
  assert.equal(drain(stream).end, "end");
});

Deno.test("a refusal is told at once, and to tuntox as a tunnel that ends", () => {
  const pair = new TunnelPair();
  const heard = ask(pair);
  pair.settle();
  const [request] = pair.server.requests;
  pair.server.tunnels.refuse(request!, 5);
  pair.server.tunnels.flush();
  const kinds = pair.server.sent.map((packet) => (parseFrame(packet) as { kind: string }).kind);
  assert.deepEqual(kinds, ["deny", "ack", "fin"]);
  pair.settle();
  assert.deepEqual(heard, ["refused 5 unreachable"]);
  assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
});

Deno.test("every connection has a forward's id of its own, and a random tunnel", () => {
  const pair = new TunnelPair();
  const opened = Array.from({ length: 200 }, () => pair.open().server.id);
  assert.equal(new Set(opened).size, 200);
  for (let i = 0; i < 50; i++) ask(pair);
  pair.settle();
  assert.equal(new Set(pair.server.requests.map(({ forward }) => forward)).size, 50);
});

Deno.test("when the friend goes tunnels, requests and what was to be sent go too", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open();
  const heard = ask(pair);
  server.writeNow(utf8("before"));
  pair.settle();
  pair.client.room = 0;
  client.writeNow(utf8("never sent"));
  pair.settle();
  let gone = 0;
  pair.server.requests[0]!.onGone = () => void gone++;
  const lost = new TtunError("lost", "The friend has gone");
  for (const end of [pair.client, pair.server]) end.tunnels.lose(lost), end.forget();
  assert.deepEqual(drain(client), { bytes: utf8("before"), end: "lost" });
  assert.throws(() => client.writeNow(utf8("x")), lost);
  assert.deepEqual([drain(server).end, gone, heard], ["lost", 1, ["refused null lost"]]);
  assert.equal(pair.server.tunnels.accept(pair.server.requests.shift()!), null);
  assert.equal(pair.client.tunnels.count + pair.server.tunnels.count, 0);
  pair.client.room = Infinity;
  pair.open();
});

Deno.test("a reader that is too slow loses its tunnel, and not the others theirs", () => {
  const pair = new TunnelPair({ unreadOfTunnel: 10_000, unread: 12_000 });
  const slow = pair.open();
  const fast = pair.open();
  for (let i = 0; i < 8; i++) {
    slow.server.writeNow(new Uint8Array(1365));
    fast.server.writeNow(new Uint8Array(1365));
    pair.settle();
    assert.equal(drain(fast.client).bytes.length, 1365);
  }
  assert.deepEqual(drain(slow.client), { bytes: NONE, end: "lost" });
  assert.equal(drain(slow.server).end, "end");
  assert.deepEqual([pair.client.tunnels.unread, pair.client.tunnels.count], [0, 1]);
});

Deno.test("the memory of all counts, also of tunnels that have ended", () => {
  const pair = new TunnelPair({ unreadOfTunnel: 10_000, unread: 12_000 });
  const [ended, other] = [pair.open(), pair.open()];
  ended.server.writeNow(new Uint8Array(9000));
  ended.server.closeWrite();
  pair.settle();
  other.server.writeNow(new Uint8Array(4000));
  pair.settle();
  assert.equal(drain(ended.client).end, "lost");
  assert.equal(drain(other.client).bytes.length, 4000);
  assert.equal(pair.client.tunnels.unread, 0);
});

Deno.test("requests and tunnels have a limit, and those beyond it get no answer", () => {
  const pair = new TunnelPair({ tunnels: 3 });
  const kept = pair.open();
  for (let i = 0; i < 5; i++) ask(pair);
  pair.settle();
  assert.equal(pair.server.requests.length, 2);
  assert(!pair.client.tunnels.canOpen);
  pair.server.tunnels.refuse(pair.server.requests[0]!, 1);
  kept.client.reset();
  pair.settle();
  assert.equal(pair.server.tunnels.count, 1);
});

Deno.test("pings are answered by any end, but not without limit", () => {
  const pair = new TunnelPair();
  pair.client.tunnels.ping(utf8("Hello"));
  pair.server.tunnels.ping(utf8("there"));
  pair.settle();
  assert.deepEqual([pair.client.pongs, pair.server.pongs], [[utf8("Hello")], [utf8("there")]]);
  pair.server.room = 0;
  for (let i = 0; i < 5000; i++) pair.server.tunnels.receive(packPing(utf8("Hello")));
  pair.server.room = Infinity;
  for (let i = 0; i < 20; i++) pair.server.tunnels.flush();
  assert.equal(pair.server.sent.length, 64);
});

Deno.test("a hostile server's answers change nothing that they should not", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open();
  const { tunnels } = pair.client;
  const heard = ask(pair);
  tunnels.receive(packDeny(12345, 5)); // nobody asked
  tunnels.receive(packAck(12345, client.id)); // of a tunnel that there is
  tunnels.receive(packFin(client.id ^ 1));
  tunnels.receive(fromHex(`a26b0600${toHex(Uint8Array.of(0, client.id & 1 ^ 1))}000161`));
  pair.settle();
  assert.deepEqual([heard, drain(client).end], [[], null]);
  const { forward } = pair.server.requests.shift()!;
  tunnels.receive(packAck(forward, client.id));
  assert.deepEqual(heard, ["refused null protocol"]);
  client.writeNow(utf8("still here"));
  pair.settle();
  assert.deepEqual(drain(server).bytes, utf8("still here"));
});

Deno.test("what is written behind the peer's end is thrown away until the end is read", () => {
  const pair = new TunnelPair();
  const { client, server } = pair.open();
  server.writeNow(utf8("bye"));
  server.closeWrite();
  pair.settle();
  assert.equal(client.writeNow(utf8("late")), 4);
  assert.deepEqual(drain(client), { bytes: utf8("bye"), end: "end" });
  assert.throws(() => client.writeNow(utf8("late")), /it has ended it/);
  assert.deepEqual(concat(...pair.client.sent), NONE);
});
