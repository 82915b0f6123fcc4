import assert from "node:assert/strict";
import {
  Answers,
  dataFrame,
  MuxEnd,
  MuxPair,
  readAll,
  register,
  send,
  WINDOWS,
} from "../../../tests/fake/mux_end.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { OnReady } from "../../contract/stream.ts";
import { CHUNK, ChunkPool } from "./chunk_pool.ts";
import {
  type Open,
  OpenKind,
  packFin,
  packOpen,
  packOpenBody,
  packOpened,
  packReset,
  packWindow,
} from "./frames.ts";
import type { MuxStream } from "./mux_stream.ts";

const CLOSED = "Cannot go on: the connection was closed at this end";
const QUEUE = 128 * 1024;

Deno.test("data may follow its open at once, and is read when the open is answered", () => {
  const pair = new MuxPair();
  const answers = new Answers();
  const here = pair.client.open(answers);
  send(here, "hello");
  assert.deepEqual(pair.client.sent(), ["open 1", "data 1 hello"]);
  const other = new MuxPair();
  const stream = other.client.open(answers);
  send(stream, "hello");
  other.exchange();
  const there = other.server.lastOpened;
  assert.deepEqual(readAll(there), ["hello", "wait"]);
  there.answer(0, { host: "192.0.2.1", port: 4000 });
  other.exchange();
  assert.deepEqual(answers.words, ['opened {"host":"192.0.2.1","port":4000}']);
});

Deno.test("an address that no frame can say fails at open, and the session has not changed", () => {
  const pair = new MuxPair();
  const host = "n".repeat(256);
  const opening = () =>
    pair.client.open(undefined, { kind: OpenKind.connect, address: { host, port: 80 } });
  assert.throws(opening, { kind: "usage", message: /a name has 1 to 255 bytes/ });
  assert.equal(pair.client.mux.streams, 0);
  assert.deepEqual(pair.client.sent(), []);
  pair.connect();
});

Deno.test("writing after the own end fails, and reading goes on", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  void here.closeWrite();
  void here.closeWrite();
  assert.throws(() => here.writeNow(utf8("x")), { message: CLOSED, kind: "lost" });
  send(there, "on");
  pair.exchange();
  assert.deepEqual(readAll(here), ["on", "wait"]);
  assert.deepEqual(readAll(there), ["", "end"]);
});

Deno.test("waiting callbacks run at a reset, a dispose and the session's end, once each", () => {
  const acts: [string, (stream: MuxStream, pair: MuxPair) => void][] = [
    ["own reset", (stream) => stream.reset()],
    ["dispose", (stream) => void stream[Symbol.asyncDispose]()],
    ["end", (_stream, pair) => pair.client.mux.end(new TtunError("lost", "over"))],
    ["the peer's reset", (_stream, pair) => pair.client.give(packReset(1, 0))],
  ];
  for (const [what, act] of acts) {
    const pair = new MuxPair();
    const [here] = pair.connect();
    const calls = register(here);
    act(here, pair);
    assert.deepEqual(calls.sort(), ["reader", "writer"], what);
    act(here, pair);
    assert.equal(calls.length, 2, what);
  }
});

Deno.test("data and the peer's end call the reader, one registration one call, the last one counts", () => {
  const pair = new MuxPair();
  const [here] = pair.connect();
  const calls: string[] = [];
  here.onReadable(() => void calls.push("replaced"));
  here.onReadable(() => void calls.push(readAll(here).join()));
  pair.client.give(dataFrame(1, "a"), dataFrame(1, "b"));
  assert.deepEqual(calls, ["a,wait"]);
  assert.deepEqual(readAll(here), ["b", "wait"]);
  here.onReadable(() => void calls.push(readAll(here).join()));
  pair.client.give(packFin(1));
  assert.deepEqual(calls, ["a,wait", ",end"]);
});

Deno.test("the rest of a frame that a callback leaves is read later", () => {
  const pair = new MuxPair();
  const [here] = pair.connect();
  const two = new Uint8Array(2);
  here.onReadable(() => void here.readNow(two));
  pair.client.give(dataFrame(1, "abcde"), dataFrame(1, "fg"));
  assert.equal(new TextDecoder().decode(two), "ab");
  assert.deepEqual(readAll(here), ["cdefg", "wait"]);
});

Deno.test("a callback may open, answer, write, reset and end the session", () => {
  for (
    const act of ["write", "reset", "dispose", "end", "open"] as const
  ) {
    const pair = new MuxPair();
    const [here, there] = pair.connect();
    let calls = 0;
    there.onReadable(() => {
      calls++;
      if (act === "write") send(there, "back");
      else if (act === "reset") there.reset();
      else if (act === "dispose") void there[Symbol.asyncDispose]();
      else if (act === "open") pair.server.open();
      else pair.server.mux.end(new TtunError("lost", "over"));
    });
    send(here, "go");
    pair.exchange();
    assert.equal(calls, 1, act);
    if (act === "write") assert.deepEqual(readAll(here), ["back", "wait"]);
    if (act === "open") assert.equal(pair.client.opened.length, 1);
  }
});

Deno.test("the session hears whether callbacks left something to a promise", () => {
  const pair = new MuxPair();
  const [here] = pair.connect();
  const give = (run: OnReady) => {
    readAll(here);
    here.onReadable(run);
    pair.client.give(dataFrame(1, "x"));
    return pair.client.mux.takeHandled();
  };
  assert.equal(give(() => true), true);
  assert.equal(give(() => {}), false);
  assert.equal(pair.client.mux.takeHandled(), true, "it is told once");
});

Deno.test("what was written is copied", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const small = utf8("small");
  const large = new Uint8Array(5000).fill(0x6c);
  for (const bytes of [small, large]) {
    here.writeNow(bytes);
    bytes.fill(0xdd);
  }
  pair.exchange();
  assert.deepEqual(readAll(there), ["small" + "l".repeat(5000), "wait"]);
});

Deno.test("a node:buffer, whose slice copies nothing, is copied too", () => {
  class Sharing extends Uint8Array {
    override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
      return this.subarray(start, end) as Uint8Array<ArrayBuffer>;
    }
  }
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const bytes = new Sharing(5000).fill(0x62);
  here.writeNow(bytes);
  bytes.fill(0xdd);
  pair.exchange();
  assert.deepEqual(readAll(there), ["b".repeat(5000), "wait"]);
});

Deno.test("a full queue takes no more, and its writer is called when it has drained to half", () => {
  const client = new MuxEnd("client");
  const stream = client.open();
  const big = new Uint8Array(200 * 1024);
  assert.equal(stream.writeNow(big), QUEUE);
  assert.equal(stream.writeNow(big), 0);
  let calls = 0;
  stream.onWritable(() => void calls++);
  client.sent(); // the peer's first window: exactly half
  client.give(packOpened(1, 0, null));
  assert.equal(calls, 1);
  assert.equal(stream.writeNow(big), QUEUE / 2);
  stream.onWritable(() => void calls++);
  client.give(packWindow(1, 64 * 1024 + QUEUE / 2 - 1));
  client.sent();
  assert.equal(calls, 1, "one byte more than half waits");
  client.give(packWindow(1, 64 * 1024 + QUEUE / 2));
  client.sent();
  assert.equal(calls, 2);
});

Deno.test("what is put into reserved memory is sent, as much as is said", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  for (const size of [5, 5000, CHUNK - 1, CHUNK]) {
    const space = here.reserveNow()!;
    assert.equal(space.length, CHUNK);
    space.fill(0x61);
    here.commit(size);
    pair.exchange();
    assert.deepEqual(readAll(there), ["a".repeat(size), "wait"]);
    pair.exchange();
  }
  assert.equal(here.reserveNow()!.length, CHUNK);
  void here.closeWrite();
  assert.equal(here.reserveNow(), null, "writing says why it fails");
  assert.throws(() => here.writeNow(utf8("x")), TtunError);
});

Deno.test("nothing is reserved while much waits, until the writer is called", () => {
  const client = new MuxEnd("client");
  const stream = client.open();
  for (let i = 0; i < 2; i++) {
    assert.equal(stream.reserveNow()!.length, CHUNK);
    stream.commit(CHUNK);
  }
  assert.equal(stream.reserveNow()!.length, 0);
  let calls = 0;
  stream.onWritable(() => void calls++);
  client.sent();
  client.give(packOpened(1, 0, null));
  client.sent();
  assert.equal(calls, 1);
  assert.equal(stream.reserveNow()!.length, CHUNK);
});

Deno.test("streams of which there are many reserve nothing: each may keep little", () => {
  const end = new MuxEnd("client", { peer: { ...WINDOWS, streams: 4096 } });
  const streams = Array.from({ length: 4096 }, () => end.open());
  assert.equal(streams[0]!.reserveNow(), null);
  assert.equal(streams[0]!.writeNow(new Uint8Array(100)), 100);
});

Deno.test("what has come can be looked at where it lies, and is read in parts", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  assert.equal(there.peekNow(), null);
  const seen: string[] = [];
  const look = (bytes: number) => {
    seen.push(new TextDecoder().decode(there.peekNow()!));
    there.consume(bytes);
  };
  there.onReadable(() => look(2));
  send(here, "within");
  pair.exchange();
  look(3);
  look(1);
  assert.deepEqual(seen, ["within", "thin", "n"]);
  assert.deepEqual([there.peekNow(), there.readNow(new Uint8Array(1))], [null, undefined]);
});

Deno.test("small parts that have come are not looked at one by one", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const sizes = [20_000, 3000, 3000];
  for (const size of sizes) {
    here.writeNow(new Uint8Array(size));
    pair.exchange();
  }
  assert.equal(there.peekNow()!.length, 20_000);
  there.consume(19_000);
  assert.equal(there.peekNow(), null);
  assert.equal(there.readNow(new Uint8Array(10_000)), 7000);
});

Deno.test("a window that is peeked at and consumed goes on", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  for (let i = 0; i < 100; i++) {
    assert.equal(here.writeNow(new Uint8Array(30_000)), 30_000);
    pair.exchange();
    for (let ready = there.peekNow(); ready !== null; ready = there.peekNow()) {
      there.consume(ready.length);
    }
    pair.exchange();
  }
});

Deno.test("the memory of what waits is given back at a reset, an end of the session, and when it is acknowledged", () => {
  const pool = new ChunkPool();
  const pair = new MuxPair({ pool });
  const open = () => {
    const [here, there] = pair.connect();
    here.writeNow(new Uint8Array(2 * CHUNK));
    return [here, there] as const;
  };
  const [one] = open();
  assert.equal(pool.used, 2);
  one.reset();
  assert.equal(pool.used, 0);
  const [, two] = open();
  pair.exchange();
  assert.equal(readAll(two)[0].length, 64 * 1024);
  pair.exchange();
  readAll(two);
  pair.exchange();
  assert.equal(pool.used, 0);
  open();
  pair.client.sent();
  assert.equal(pool.used, 2);
  for (const { mux } of [pair.client, pair.server]) mux.end(new TtunError("lost", "over"));
  assert.equal(pool.used, 0);
});

Deno.test("a stream that was accepted says which one listens, and is named by its address", () => {
  const client = new MuxEnd("client");
  const open: Open = {
    kind: OpenKind.accepted,
    listener: 1,
    address: { host: "2001:db8::1", port: 80 },
  };
  client.give(packOpen(2, packOpenBody(open)));
  assert.deepEqual(client.opened[0]!.open, open);
  assert.equal(client.lastOpened.peer, "[2001:db8::1]:80");
});
