import assert from "node:assert/strict";
import { dataFrame, MuxEnd, TARGET, tell, WINDOWS } from "../../../tests/fake/mux_end.ts";
import { ProtocolError } from "../../base/errors.ts";
import {
  packAck,
  packFin,
  packOpen,
  packOpenBody,
  packOpened,
  packPosition,
  packWindow,
} from "./frames.ts";
import { LEAST_ROOM } from "./mux.ts";
import type { MuxStream } from "./mux_stream.ts";

const KIB = 1024;
const BODY = packOpenBody(TARGET);

/** A client that has sent an open and four frames of data, numbers 0 to 4. */
function sender(): [MuxEnd, MuxStream] {
  const end = new MuxEnd("client");
  const stream = end.open();
  for (const text of ["a", "b", "c", "d"]) {
    stream.writeNow(new TextEncoder().encode(text));
    end.record();
  }
  return [end, stream];
}

/** A server that has taken so many bytes of data of stream 1, in frames of 8 KiB. */
function receiver(bytes = 0): MuxEnd {
  const end = new MuxEnd("server", {
    local: { ...WINDOWS, stream: KIB * KIB, total: 4 * KIB * KIB },
  });
  end.give(packOpen(1, BODY));
  end.lastOpened.answer(0, null);
  end.sent();
  giveData(end, bytes);
  return end;
}

function giveData(end: MuxEnd, bytes: number): void {
  for (; bytes > 0; bytes -= 8 * KIB) end.give(dataFrame(1, new Uint8Array(8 * KIB)));
}

Deno.test("a resumed carrier begins with the position, what the peer lacks, an ack and windows", () => {
  const [end] = sender();
  end.give(packOpened(1, 0, null));
  end.carrier = end.mux.attach(2, 3);
  assert.deepEqual(end.sent(), [
    "position 3",
    "ack 1",
    "data 1 c",
    "data 1 d",
    `window 0 ${WINDOWS.total}`,
    `window 1 ${WINDOWS.stream}`,
  ]);
});

Deno.test("the position is the larger of the last ack and what the peer expects", () => {
  for (const [acked, expected, position] of [[0, 0, 0], [4, 2, 4], [2, 4, 4], [5, 5, 5]] as const) {
    const [end] = sender();
    end.give(packAck(acked));
    const second = end.mux.attach(2, expected);
    const words = end.sent(second);
    assert.equal(words[0], `position ${position}`);
    const resent = words.filter((word) => /^(open|data)/.test(word)).length;
    assert.equal(resent, 5 - position);
  }
});

Deno.test("a peer that expects what was never sent breaks the protocol, and nothing has changed", () => {
  const [end] = sender();
  assert.throws(() => end.mux.attach(2, 6), ProtocolError);
  assert.throws(() => end.mux.attach(2, 2 ** 53 - 1), /an acknowledgement of what was not sent/);
  assert.equal(end.sent().length, 0);
  end.give(packOpened(1, 0, null));
  assert.deepEqual(tell(end.record(LEAST_ROOM, end.mux.attach(2, 5))!)[0], "position 5");
});

Deno.test("a stream's window comes behind its open on a new carrier", () => {
  const [end] = sender();
  const words = end.sent(end.mux.attach(2, 0));
  assert(words.indexOf("open 1") < words.indexOf(`window 1 ${WINDOWS.stream}`), words.join());
  assert.equal(words.filter((word) => word.startsWith("window")).length, 2);
});

Deno.test("an ack that overtakes on the old carrier makes the sender skip, with a position", () => {
  const end = new MuxEnd("client", { peer: { ...WINDOWS, stream: KIB * KIB, total: KIB * KIB } });
  const stream = end.open();
  stream.writeNow(new Uint8Array(128 * KIB));
  const frames = end.sent().length;
  const second = end.mux.attach(2, 0);
  const first = tell(end.record(LEAST_ROOM, second)!);
  assert.deepEqual(first.slice(0, 3), ["position 0", "ack 0", "open 1"]);
  end.give(packAck(frames - 1)); // on the first carrier
  const words = end.sent(second);
  assert.equal(words[0], `position ${frames - 1}`);
  assert.equal(words.filter((word) => word.startsWith("data")).length, 1);
});

Deno.test("an ack of what was sent on the new carrier moves nothing", () => {
  const [end] = sender();
  const second = end.mux.attach(2, 0);
  end.sent(second);
  end.give(packAck(3));
  end.giveOn(second, packAck(4), packAck(5));
  assert.deepEqual(end.sent(second), []);
});

Deno.test("the receiver drops what it has, takes what comes next, in any mixture of carriers", () => {
  const end = receiver();
  const second = end.mux.attach(2, 1);
  end.giveOn(second, packPosition(0), packOpen(1, BODY), dataFrame(1, "a"));
  end.give(dataFrame(1, "x"), dataFrame(1, "b"), packFin(1)); // 1 is dropped, 2 and 3 are taken
  end.giveOn(second, dataFrame(1, "y"), packFin(1), packOpen(3, BODY));
  assert.equal(end.opened.length, 2);
  const into = new Uint8Array(9);
  const stream = end.opened[0]!.stream;
  assert.equal(stream.readNow(into), 2);
  assert.deepEqual([...into.subarray(0, 2)], [0x61, 0x62]);
  assert.equal(stream.readNow(into), null);
  assert.equal(end.mux.expected, 5);
});

Deno.test("a position may come again, forwards and back", () => {
  const end = receiver();
  end.give(dataFrame(1, "a"), packPosition(0), packOpen(1, BODY), dataFrame(1, "a"));
  end.give(packPosition(2), dataFrame(1, "b"), packPosition(1), packPosition(3));
  end.give(dataFrame(1, "c"));
  assert.equal(end.lastOpened.window.held, 3);
});

Deno.test("an end sends on the carrier with the highest number, whatever came last", () => {
  const [end, stream] = sender();
  const third = end.mux.attach(3, 0);
  const second = end.mux.attach(2, 0);
  assert.deepEqual(end.sent(second), []);
  assert.equal(end.sent(third)[0], "position 0");
  stream.writeNow(new Uint8Array(1));
  assert.deepEqual(end.sent(), []);
  assert.deepEqual(end.sent(second), []);
  assert.equal(end.sent(third).length, 1);
});

Deno.test("when the newest carrier dies the next older one is sent on, and an older death is nothing", () => {
  const [end] = sender();
  const second = end.mux.attach(2, 1);
  const third = end.mux.attach(3, 2);
  end.sent(third);
  end.mux.detach(second);
  assert.deepEqual(end.sent(third), []);
  const fourth = end.mux.attach(4, 3);
  end.mux.detach(fourth);
  assert.deepEqual(end.sent(), []);
  assert.equal(end.sent(third)[0], "position 3");
  end.mux.detach(third);
  assert.equal(end.sent()[0], "position 3");
  end.mux.detach(third); // again
  assert.deepEqual(end.sent(), []);
});

Deno.test("without a carrier nothing is sent or asked for, and all goes on the next one", () => {
  const [end, stream] = sender();
  end.mux.detach(end.carrier);
  const woken = end.wakes.now;
  stream.writeNow(new TextEncoder().encode("e"));
  end.open();
  assert.equal(end.wakes.now, woken);
  assert.deepEqual(end.sent(), []);
  const second = end.mux.attach(2, 5);
  assert(end.wakes.now > woken);
  const words = end.sent(second);
  assert.deepEqual(words.slice(0, 2), ["position 5", "ack 0"]);
  assert(words.indexOf("open 3") > 0 && words.indexOf("data 1 e") > 0, words.join());
});

Deno.test("an ack is owed 25 ms after a frame, and goes at once behind 256 KiB", () => {
  const end = receiver();
  end.mux.ackIsDue();
  assert.deepEqual(end.sent(), []);
  const { later } = end.wakes;
  giveData(end, 248 * KIB);
  assert.equal(end.wakes.later, later + 1, "one timer for all");
  assert.deepEqual(end.sent(), []);
  const woken = end.wakes.now;
  giveData(end, 8 * KIB);
  assert(end.wakes.now > woken);
  assert.deepEqual(end.sent(), ["ack 33"]);
  end.mux.ackIsDue();
  assert.deepEqual(end.sent(), [], "it is not said twice");
  end.give(dataFrame(1, "x"));
  assert.equal(end.wakes.later, later + 2);
  end.mux.ackIsDue();
  assert.deepEqual(end.sent(), ["ack 34"]);
});

Deno.test("an ack goes with data that is sent anyway", () => {
  const end = receiver(8 * KIB);
  end.lastOpened.writeNow(new TextEncoder().encode("x"));
  assert.deepEqual(end.sent(), ["data 1 x", "ack 2"]);
});

Deno.test("an ack goes before every window that credits what it covers", () => {
  const end = receiver();
  const stream = end.lastOpened;
  let [acked, windows, read] = [0, 0, 0];
  const into = new Uint8Array(64 * KIB);
  for (let i = 0; i < 600; i++) {
    giveData(end, 8 * KIB);
    if (i % 3 === 0) read += stream.readNow(into)!;
    for (const word of end.sent()) {
      const [type, a, b] = word.split(" ");
      if (type === "ack") acked = Number(a);
      if (type !== "window") continue;
      windows++;
      // Frames of 8 KiB from number 1: the limit credits what was read, which is acknowledged.
      assert(acked >= 1 + read / (8 * KIB), `${word} with ack ${acked}`);
      assert(Number(b) > 0);
    }
  }
  assert(windows > 5, `${windows}`);
});

Deno.test("frames that came twice owe no ack, and those of a dead carrier are acknowledged anew", () => {
  const end = receiver(8 * KIB);
  end.mux.ackIsDue();
  end.sent();
  const second = end.mux.attach(2, 1);
  assert.deepEqual(end.sent(second).slice(0, 2), ["position 1", "ack 2"]);
  const { later } = end.wakes;
  end.giveOn(second, packPosition(0), packOpen(1, BODY), dataFrame(1, new Uint8Array(8 * KIB)));
  assert.equal(end.wakes.later, later);
  end.mux.ackIsDue();
  assert.deepEqual(end.sent(second), []);
});

Deno.test("windows that were lost with a carrier are told on the next one", () => {
  const end = receiver();
  const into = new Uint8Array(KIB * KIB);
  let lost = "";
  for (let i = 0; i < 10; i++) {
    giveData(end, 512 * KIB);
    while (end.lastOpened.readNow(into) !== undefined) { /* all */ }
    lost = end.sent().findLast((word) => word.startsWith("window 1")) ?? lost;
  }
  const limit = Number(lost.split(" ")[2]);
  assert(limit > 5 * KIB * KIB, lost);
  const again = end.sent(end.mux.attach(2, 1)).find((word) => word.startsWith("window 1"))!;
  assert(Number(again.split(" ")[2]) >= limit, `${again} behind ${lost}`);
});

Deno.test("a move is told once, on the carrier that is sent on", () => {
  const [end] = sender();
  end.mux.sendMove(10);
  assert.deepEqual(end.sent(), ["move 10"]);
  assert.equal(end.sent(end.mux.attach(2, 5)).includes("move 10"), false);
  end.mux.sendMove(10);
  assert.equal(end.sent(end.mux.attach(3, 5)).includes("move 10"), false);
  const peer = new MuxEnd("server");
  peer.give(new Uint8Array([0x21, 10]));
  assert.deepEqual(peer.moves, [10]);
});

Deno.test("acks and windows are taken on any carrier, and need no position", () => {
  const [end, stream] = sender();
  const second = end.mux.attach(2, 0);
  end.sent(second);
  stream.writeNow(new Uint8Array(100 * KIB));
  end.sent(second);
  end.give(packWindow(1, 2 ** 30));
  end.giveOn(second, packAck(5));
  assert(end.sent(second).length > 0);
  assert.equal(stream.stats().isDelivered, true);
});
