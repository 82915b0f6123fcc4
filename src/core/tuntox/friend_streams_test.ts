import assert from "node:assert/strict";
import fc from "fast-check";
import { FriendStreamEnd, FriendStreamPair } from "../../../tests/fake/friend_stream_pair.ts";
import { FinalError, TtunError } from "../../base/errors.ts";
import { packPong, parseFrame } from "./frames.ts";
import type { FriendStream } from "./friend_stream.ts";
import { UnreadTotal } from "./unread_total.ts";
import { packEnd, packOpen, packOpened, packReset, packWindow } from "./stream_frames.ts";

const INTO = new Uint8Array(100_000);

/** Reads all that has come; ends with "end" or the error. */
function drain(stream: FriendStream): { size: number; end: string | null } {
  for (let size = 0;;) {
    let got: number | null | undefined;
    try {
      got = stream.readNow(INTO);
    } catch (error) {
      return { size, end: (error as Error).message };
    }
    if (got === null) return { size, end: "end" };
    if (got === undefined) return { size, end: null };
    size += got;
  }
}

function writeAll(pair: FriendStreamPair, stream: FriendStream, size: number): number {
  let done = 0;
  while (done < size) {
    const took = stream.writeNow(new Uint8Array(size - done).fill(1));
    if (took === 0) break;
    done += took;
    pair.settle();
  }
  return done;
}

/** Returns how a request ends that the other end answers by itself. */
function opening(pair: FriendStreamPair) {
  const told: (FriendStream | TtunError)[] = [];
  const pending = pair.client.streams.open({
    opened: (stream) => told.push(stream),
    refused: (error) => told.push(error),
  });
  return { pending, told };
}

Deno.test("one way ends, and the other goes on", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  client.writeNow(Uint8Array.of(1, 2, 3));
  client.closeWrite();
  client.closeWrite();
  pair.settle();
  assert.deepEqual(drain(server), { size: 3, end: "end" });
  assert.throws(() => client.writeNow(INTO), /has ended it/);
  assert.equal(writeAll(pair, server, 50_000), 50_000);
  server.closeWrite();
  pair.settle();
  assert.deepEqual(drain(client), { size: 50_000, end: "end" });
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
});

Deno.test("a reader that reads nothing makes its writer wait, and one that reads gets more ahead", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  const first = writeAll(pair, client, 10_000_000);
  assert.equal(server.unread, 64 * 1024);
  assert.equal(first, 2 * 64 * 1024, "the queue is full as well");
  let isTold = false;
  client.onWritable(() => void (isTold = true));
  let most = 0;
  for (let moved = first; moved < 20_000_000;) {
    drain(server);
    pair.settle();
    moved += writeAll(pair, client, 10_000_000);
    most = Math.max(most, server.unread);
  }
  assert(isTold);
  assert(most > 1 << 20 && most <= 2 << 20, `${most}`);
});

Deno.test("a stream that is closed with its data sends all of it, and then reads no more", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  pair.client.room = 0;
  client.writeNow(new Uint8Array(20_000));
  void client[Symbol.asyncDispose]();
  assert.throws(() => client.readNow(INTO), { kind: "lost" });
  server.writeNow(new Uint8Array(1000));
  pair.settle();
  pair.client.room = Infinity;
  pair.settle();
  assert.deepEqual(drain(server), { size: 20_000, end: "end" });
  assert.throws(() => server.writeNow(INTO), /it has closed it/);
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
});

Deno.test("a stream that has said its end, and is closed then, tells the other to stop", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  client.closeWrite();
  pair.settle();
  assert.equal(server.writeNow(INTO), 64 * 1024);
  void client[Symbol.asyncDispose]();
  pair.settle();
  assert.throws(() => server.writeNow(INTO), /it has closed it/);
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
});

Deno.test("a stream that is given up is a loss, behind what had come", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  client.writeNow(Uint8Array.of(1));
  pair.settle();
  client.reset();
  client.reset();
  pair.settle();
  const { size, end } = drain(server);
  assert.equal(size, 1);
  assert.match(end!, /given it up/);
  assert.deepEqual(server.stats().isGone, true);
});

Deno.test("an abort gives a stream up, and later calls throw its reason", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  const life = new AbortController();
  client.liveUnder(life.signal);
  const reason = new Error("over");
  life.abort(reason);
  for (const call of [() => client.readNow(INTO), () => client.writeNow(INTO)]) {
    assert.throws(call, reason);
  }
  pair.settle();
  assert.match(drain(server).end!, /given it up/);
});

Deno.test("an end that is tuntox is known by its answer to the ping", () => {
  const pair = new FriendStreamPair();
  const { told } = opening(pair);
  pair.client.streams.flush();
  for (const packet of pair.client.sent.splice(0)) {
    const frame = parseFrame(packet);
    if (typeof frame === "string" || frame.kind !== "ping") continue;
    assert.equal(pair.client.streams.receive(packPong(frame.payload)), null);
  }
  assert(told[0] instanceof FinalError && told[0].kind === "protocol");
  assert.match(told[0].message, /tuntox runs there/);
  assert.equal(pair.client.streams.count, 0);
});

Deno.test("an end tells whether it has streams, and tuntox does not", () => {
  const pair = new FriendStreamPair();
  const told: boolean[] = [];
  pair.client.streams.greet((has) => told.push(has));
  pair.settle();
  assert.deepEqual(told, [true]);

  pair.client.streams.greet((has) => told.push(has));
  pair.client.streams.flush();
  for (const packet of pair.client.sent.splice(0)) {
    const frame = parseFrame(packet);
    if (typeof frame === "string" || frame.kind !== "ping") continue;
    pair.client.streams.receive(packPong(frame.payload));
  }
  assert.deepEqual(told, [true, false]);
  pair.client.streams.greet((has) => told.push(has));
  pair.client.streams.lose(new TtunError("lost", "The friend has gone"));
  pair.settle();
  assert.equal(told.length, 2);
});

Deno.test("an end that takes no streams, has too many, or is of another version says so", () => {
  const none = new FriendStreamPair({ accepts: false });
  const { told } = opening(none);
  none.settle();
  assert.match((told[0] as TtunError).message, /takes no such connection/);
  assert.equal(none.client.streams.count + none.server.streams.count, 0);

  const pair = new FriendStreamPair();
  for (let i = 0; i < 16; i++) pair.open();
  const { told: full } = opening(pair);
  assert.equal((full[0] as TtunError).kind, "busy");
  pair.server.streams.receive(packOpen(999, 1));
  pair.settle();
  assert.equal(pair.server.streams.count, 16);

  const { told: other } = opening(none);
  none.client.streams.receive(packReset(2, 5));
  assert(other[0] instanceof FinalError);

  const late = packOpen(9, 1);
  late[8] = 7; // its version
  const server = new FriendStreamEnd("server", () => 0);
  server.streams.receive(late);
  server.streams.flush();
  assert.deepEqual(server.sent, [packReset(9, 5)]);
});

Deno.test("a request that is given up, or that nobody answers, leaves nothing", () => {
  const pair = new FriendStreamPair();
  const { pending, told } = opening(pair);
  pending.cancel();
  pending.cancel();
  pair.settle();
  assert.deepEqual(told, []);
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);

  const { told: silent } = opening(pair);
  assert(pair.client.streams.needsTicks);
  pair.now += 29_999;
  pair.client.streams.tick();
  assert.equal(silent.length, 0);
  pair.now += 1;
  pair.client.streams.tick();
  assert.equal((silent[0] as TtunError).kind, "timeout");
});

Deno.test("a loss of the link ends all, and streams can be opened again", () => {
  const pair = new FriendStreamPair();
  const { client, server } = pair.open();
  const { told } = opening(pair);
  client.writeNow(new Uint8Array(1000));
  server.writeNow(new Uint8Array(7));
  pair.server.streams.flush();
  pair.deliver(pair.server, pair.client);
  const error = new TtunError("lost", "The friend has gone");
  for (const end of [pair.client, pair.server]) {
    end.streams.lose(error);
    end.forget();
  }
  assert.deepEqual(told, [error]);
  assert.deepEqual(drain(client), { size: 7, end: error.message });
  assert.deepEqual(drain(server), { size: 0, end: error.message });
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
  assert(pair.client.streams.isFlushed);
  pair.open();
});

Deno.test("an end that breaks the protocol loses its stream alone", () => {
  const breaks: readonly ((pair: FriendStreamPair, stream: FriendStream) => Uint8Array[])[] = [
    (_, { number }) => [packEnd(number), packEnd(number)],
    (_, { number }) => [packWindow(number, 0xffff_ffff)],
    (_, { number }) => [packOpen(number, 1)],
  ];
  for (const packets of breaks) {
    const pair = new FriendStreamPair();
    const { client, server } = pair.open();
    const other = pair.open();
    for (const packet of packets(pair, client)) pair.server.streams.receive(packet);
    pair.settle();
    assert.equal(server.stats().isGone, true);
    assert.match(drain(client).end!, /breaks the protocol/);
    assert.equal(other.client.stats().isGone, false);
    other.client.writeNow(INTO);
    pair.settle();
    assert(drain(other.server).size > 0);
  }
  // More data than there was room for.
  const pair = new FriendStreamPair();
  const { client } = pair.open();
  client.receiveWindow(1 << 20);
  assert.throws(() => writeAll(pair, client, 200_000), /breaks the protocol/);
  assert.equal(client.stats().isGone, true);
  assert.equal(pair.server.streams.count, 0);
});

Deno.test("frames for streams that there are not change nothing, and are answered once", () => {
  const pair = new FriendStreamPair();
  for (let i = 0; i < 100; i++) pair.server.streams.receive(packEnd(77));
  pair.server.streams.receive(packOpened(5, 1));
  pair.server.streams.flush();
  assert.deepEqual(pair.server.sent, [packReset(77, 1)]);
  for (let i = 0; i < 5000; i++) pair.server.streams.receive(packEnd(1000 + i));
  pair.server.streams.flush();
  assert(pair.server.sent.length <= 1025);
  assert.equal(pair.server.streams.count, 0);
});

Deno.test("whatever comes, nothing throws, and memory stays within the windows", () => {
  const byte = fc.nat(255);
  const packet = fc.tuple(fc.nat(9), fc.nat(3), fc.array(byte, { maxLength: 12 }));
  fc.assert(fc.property(fc.array(packet, { maxLength: 60 }), (packets) => {
    for (const role of ["client", "server"] as const) {
      const end = new FriendStreamEnd(role, () => 0, { accepts: true });
      end.streams.open({ opened: () => {}, refused: () => {} });
      for (const [type, number, body] of packets) {
        const header = [0xa2, 0x6b, 7, type, 0, number, 0, body.length];
        end.streams.receive(Uint8Array.of(...header, ...body));
        end.streams.flush();
      }
      assert(end.streams.count <= 16);
      for (const stream of end.accepted) assert(stream.unread <= 2 << 20);
    }
  }));
});

Deno.test("what waits for readers counts for all friends, and the one with most loses its slowest stream", () => {
  const total = new UnreadTotal(150_000);
  const [first, second] = [new FriendStreamPair({ total }), new FriendStreamPair({ total })];
  const [big, small, other] = [first.open(), first.open(), second.open()];
  assert.equal(writeAll(first, big.client, 60_000), 60_000);
  assert.equal(writeAll(first, small.client, 30_000), 30_000);
  assert.equal(writeAll(second, other.client, 50_000), 50_000);
  assert.equal(total.bytes, 140_000);
  assert.equal(drain(other.server).size, 50_000);
  assert.equal(total.bytes, 90_000);
  writeAll(second, other.client, 65_000);
  assert.equal(first.server.streams.unread, 30_000);
  assert.equal(total.bytes, 30_000 + 65_000);
  assert.match(drain(big.server).end!, /its reader is slower than the link/);
  first.settle();
  assert.match(drain(big.client).end!, /it has given it up/);
  assert.equal(drain(small.server).size, 30_000);
  assert.equal(drain(other.server).size, 65_000);
  assert.equal(total.bytes, 0);
});

Deno.test("what waits in streams that have ended counts until it is read or thrown away", () => {
  const total = new UnreadTotal(1_000_000);
  const pair = new FriendStreamPair({ total });
  const [read, thrown] = [pair.open(), pair.open()];
  for (const { client } of [read, thrown]) {
    client.writeNow(new Uint8Array(1000));
    pair.settle();
    client.reset();
    pair.settle();
  }
  assert.equal(total.bytes, 2000);
  assert.equal(drain(read.server).size, 1000);
  assert.equal(total.bytes, 1000);
  pair.server.streams.endSlowest();
  assert.equal(total.bytes, 0);
  assert.equal(drain(thrown.server).size, 0);
  void thrown.server[Symbol.asyncDispose](); // it is done at once
  assert.equal(pair.server.streams.unread, 0);
});
