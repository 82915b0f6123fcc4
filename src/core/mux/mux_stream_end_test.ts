import assert from "node:assert/strict";
import {
  Answers,
  MuxEnd,
  MuxPair,
  readAll,
  register,
  send,
  WINDOWS,
} from "../../../tests/fake/mux_end.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { packWindow } from "./frames.ts";
import type { MuxStream } from "./mux_stream.ts";

const CLOSED = "Cannot go on: the connection was closed at this end";
const RESET = "Lost the connection with a.example:80: it was reset";
const QUEUE = 128 * 1024;

function assertNothingLeft({ client, server }: MuxPair): void {
  assert.deepEqual([client.mux.streams, server.mux.streams], [0, 0]);
  assert.deepEqual([client.mux.keptBytes, server.mux.keptBytes], [0, 0]);
}

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

/** Writes more than the peer's window, so that a part waits. */
function overfill(stream: MuxStream): void {
  assert(stream.writeNow(new Uint8Array(QUEUE)) > WINDOWS.stream);
}

Deno.test("both ends dispose while more waits than the other's window: both finish", () => {
  const pair = new MuxPair();
  const ends = pair.connect();
  for (const stream of ends) overfill(stream);
  pair.exchange();
  for (const stream of ends) void stream[Symbol.asyncDispose]();
  pair.exchange();
  assertNothingLeft(pair);
});

Deno.test("dispose lets some data come while what was written waits, and resets a peer that sends much", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  overfill(here);
  void here[Symbol.asyncDispose]();
  let sent = 0;
  const isReset = () => {
    try {
      sent += there.writeNow(new Uint8Array(10_000));
      return false;
    } catch {
      return true; // its error is the reset's
    }
  };
  while (!isReset()) {
    pair.exchange();
    assert(sent < 4 * QUEUE);
  }
  assert(sent > 2 * QUEUE, `${sent}`);
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

Deno.test("when the session ends all streams fail, and reads give what had come first", () => {
  const pair = new MuxPair();
  const [here, there] = pair.connect();
  const [, ended] = pair.connect();
  send(here, "arrived");
  pair.exchange();
  const answers = new Answers();
  const asking = pair.server.open(answers);
  const calls = register(here);
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
