import assert from "node:assert/strict";
import {
  Answers,
  dataFrame,
  MuxEnd,
  MuxPair,
  readAll,
  WINDOWS,
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
const RESET = "Lost the connection with a.example:80: it was reset";
const QUEUE = 128 * 1024;

function send(stream: MuxStream, text: string): void {
  assert.equal(stream.writeNow(utf8(text)), text.length);
}

/** Registers a reader and a writer; `calls` says which of them were called. */
function waiters(stream: MuxStream): { calls: string[] } {
  const calls: string[] = [];
  stream.onReadable(() => void calls.push("reader"));
  stream.onWritable(() => void calls.push("writer"));
  assert.deepEqual(calls, [], "never from within");
  return { calls };
}

function assertNothingLeft({ client, server }: MuxPair): void {
  assert.deepEqual([client.mux.streams, server.mux.streams], [0, 0]);
  assert.deepEqual([client.mux.keptBytes, server.mux.keptBytes], [0, 0]);
}

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

Deno.test("an end closes one way, and the other goes on as long as it likes", () => {
  for (const isClients of [true, false]) {
    const pair = new MuxPair();
    const ends = pair.connect();
    const [first, second] = isClients ? ends : ends.reverse() as typeof ends;
    send(first, "last words");
    void first.closeWrite();
    pair.exchange();
    assert.deepEqual(readAll(second), ["last words", "end"]);
    assert.deepEqual(readAll(second), ["", "end"]);
    for (let i = 0; i < 10; i++) {
      send(second, "still here");
      pair.exchange();
      assert.deepEqual(readAll(first), ["still here", "wait"]);
    }
    assert.equal(pair.client.mux.streams, 1);
    void second.closeWrite();
    pair.exchange();
    assert.deepEqual(readAll(first), ["", "end"]);
    assertNothingLeft(pair);
  }
});

/** Both ends act before either hears of the other. */
for (const here of ["fin", "reset", "dispose"] as const) {
  for (const there of ["fin", "reset", "dispose"] as const) {
    Deno.test(`${here} crosses ${there}: both ends finish, and nothing is left`, () => {
      const pair = new MuxPair();
      const ends = pair.connect();
      for (const stream of ends) send(stream, "under way");
      [here, there].forEach((what, i) => {
        if (what === "fin") void ends[i]!.closeWrite();
        else if (what === "reset") ends[i]!.reset();
        else void ends[i]![Symbol.asyncDispose]();
      });
      pair.exchange();
      if (here === "fin" && there === "fin") {
        for (const stream of ends) assert.deepEqual(readAll(stream), ["under way", "end"]);
      }
      assertNothingLeft(pair);
      pair.connect(); // the session goes on
    });
  }
}

Deno.test("a reset loses what waits, and data that had come can still be read", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  send(here, "before");
  pair.exchange();
  send(there, "unsent");
  here.reset();
  pair.exchange();
  assert.deepEqual(readAll(there), ["before", RESET]);
  assert.throws(() => there.writeNow(utf8("x")), { message: RESET, kind: "lost" });
  assert.deepEqual(readAll(here), ["", CLOSED]);
  assertNothingLeft(pair);
});

Deno.test("a refusal is told with its code, and loses the data under way", () => {
  const pair = new MuxPair();
  const answers = new Answers();
  const here = pair.client.open(answers);
  send(here, "under way");
  pair.exchange();
  const there = pair.server.lastOpened;
  send(here, "more");
  there.answer(5, null);
  pair.exchange();
  assert.deepEqual(answers.words, ["refused 5"]);
  assert.match(answers.error!.message, /it was refused/);
  assert.throws(() => here.writeNow(utf8("x")), TtunError);
  assert.equal(readAll(there)[1], CLOSED);
  assertNothingLeft(pair);
});

Deno.test("a refusal that crosses a reset or an end ends the stream at both ends", () => {
  for (const act of ["reset", "dispose", "fin"] as const) {
    const pair = new MuxPair();
    const answers = new Answers();
    const here = pair.client.open(answers);
    pair.exchange();
    if (act === "reset") here.reset();
    else if (act === "fin") void here.closeWrite();
    else void here[Symbol.asyncDispose]();
    pair.server.lastOpened.answer(4, null);
    pair.exchange();
    assert.deepEqual(answers.words, act === "fin" ? ["refused 4"] : []);
    assertNothingLeft(pair);
    pair.connect();
  }
});

Deno.test("an open that was reset before its answer is answered by a reset alone", () => {
  const server = new MuxEnd("server");
  const pair = new MuxPair();
  const here = pair.client.open();
  const open = pair.client.record()!;
  server.give(open);
  here.reset();
  server.give(pair.client.record()!);
  server.lastOpened.answer(0, null);
  assert.deepEqual(server.sent(), ["reset 1 0", "ack 2"]);
  assert.equal(server.mux.streams, 0);
});

Deno.test("an open that was not sent yet is not sent when its stream is reset", () => {
  const client = new MuxEnd("client");
  const stream = client.open();
  send(stream, "never");
  stream.reset();
  assert.deepEqual(client.sent(), []);
  assert.equal(client.mux.streams, 0);
  client.open();
  assert.deepEqual(client.sent(), ["open 1"], "no number is left out");
});

Deno.test("after dispose what was written still arrives with its end, then the peer's writes fail", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const all = new Uint8Array(QUEUE).fill(0x61);
  assert.equal(here.writeNow(all), QUEUE);
  void here[Symbol.asyncDispose]();
  assert.throws(() => here.writeNow(utf8("x")), { message: CLOSED });
  assert.throws(() => here.onReadable(() => {}), { message: CLOSED });
  assert.throws(() => here.onWritable(() => {}), { message: CLOSED });
  let got = 0;
  for (let end = "wait"; end === "wait";) {
    pair.exchange();
    const [text, how] = readAll(there);
    assert(text.length > 0 || how === "end");
    [got, end] = [got + text.length, how];
  }
  assert.equal(got, QUEUE);
  assert.throws(() => there.writeNow(utf8("x")), { message: RESET });
  pair.exchange();
  assertNothingLeft(pair);
});

Deno.test("dispose behind both ends sends nothing more, and again it does nothing", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  void there.closeWrite();
  void here.closeWrite();
  pair.exchange();
  for (const stream of [here, there, here, there]) void stream[Symbol.asyncDispose]();
  assert.deepEqual(pair.client.sent(), []);
  assert.deepEqual(pair.server.sent(), []);
  assertNothingLeft(pair);
});

Deno.test("dispose behind the own end lets a peer that goes on know by a reset", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  void here.closeWrite();
  pair.exchange();
  void here[Symbol.asyncDispose]();
  pair.exchange();
  assert.deepEqual(readAll(there), ["", "end"]);
  assert.throws(() => there.writeNow(utf8("x")), { message: RESET });
  assertNothingLeft(pair);
});

Deno.test("bytes that nobody reads any more are credited to all streams together", () => {
  const pair = new MuxPair({ mostTotal: WINDOWS.total });
  for (let i = 0; i < 100; i++) {
    const [sender, deaf] = pair.connect();
    if (i % 2 === 0) {
      send(sender, "x".repeat(10_000));
      pair.exchange();
      deaf.reset();
      send(sender, "y".repeat(10_000));
    } else {
      // Of what has just come, a callback reads a part and closes.
      deaf.onReadable(() => {
        assert.equal(deaf.readNow(new Uint8Array(100)), 100);
        deaf.reset();
      });
      send(sender, "z".repeat(10_000));
    }
    pair.exchange();
  }
  const [here, there] = pair.connect();
  const size = WINDOWS.stream;
  send(here, "z".repeat(size));
  pair.exchange();
  assert.equal(readAll(there)[0].length, size);
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

Deno.test("when the session ends all streams fail, and reads give what had come first", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const [, ended] = pair.connect();
  send(here, "arrived");
  pair.exchange();
  const answers = new Answers();
  const asking = pair.server.open(answers);
  const { calls } = waiters(here);
  const error = new TtunError("lost", "The session is over");
  pair.server.mux.end(error);
  pair.client.mux.end(error);
  assert.deepEqual(calls, ["reader", "writer"]);
  assert.deepEqual(answers.words, ["refused null"]);
  assert.equal(answers.error, error);
  assert.deepEqual(readAll(there), ["arrived", error.message]);
  for (const stream of [here, ended, asking]) {
    assert.deepEqual(readAll(stream), ["", error.message]);
    assert.throws(() => stream.writeNow(utf8("x")), error);
    assert.throws(() => stream.onReadable(() => {}), error);
    assert.throws(() => stream.onWritable(() => {}), error);
    stream.reset();
    void stream[Symbol.asyncDispose]();
  }
  assert.deepEqual([pair.client.mux.streams, pair.server.mux.streams], [0, 0]);
  assert.equal(pair.client.mux.canOpen, false);
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
    const { calls } = waiters(here);
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

Deno.test("an end waits for the data before it, and that for its window", () => {
  const client = new MuxEnd("client");
  const stream = client.open();
  stream.writeNow(new Uint8Array(QUEUE));
  void stream.closeWrite();
  assert(!client.sent().includes("fin 1"));
  assert.equal(stream.stats().isDelivered, false);
  client.give(packWindow(1, 2 * QUEUE));
  assert.equal(client.sent().at(-1), "fin 1");
  assert.equal(stream.stats().isDelivered, true);
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
