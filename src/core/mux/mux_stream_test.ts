import assert from "node:assert/strict";
import {
  Answers,
  dataFrame,
  MuxEnd,
  MuxPair,
  readAll,
  register,
  send,
} from "../../../tests/fake/mux_end.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { OnReady } from "../../contract/stream.ts";
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
