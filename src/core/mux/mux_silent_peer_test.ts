import assert from "node:assert/strict";
import { MuxEnd, TARGET, WINDOWS } from "../../../tests/fake/mux_end.ts";
import { CountedBudget } from "../../../tests/fake/mux_path.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import { CHUNK, ChunkPool } from "./chunk_pool.ts";
import { packAck, packOpen, packOpenBody, packOpened, packReset, packWindow } from "./frames.ts";
import { OWN_KEPT } from "./kept_allowance.ts";
import { MAX_DATA, type MuxStream, QUEUE } from "./mux_stream.ts";
import { SharedBudget } from "./receive_window.ts";

const open = (id: number) => packOpen(id, packOpenBody(TARGET));
const zeros = (size: number) => new Uint8Array(size);

/** A client, with a stream of its own and one of the server's, both answered. */
function client(mostTotal: number, pool = new ChunkPool()): [MuxEnd, MuxStream, MuxStream] {
  const end = new MuxEnd("client", { mostTotal, pool });
  const one = end.open();
  end.sent();
  end.give(packOpened(1, 0, null), open(2));
  const two = end.lastOpened;
  two.answer(0, null);
  end.sent();
  return [end, one, two];
}

/** Takes all that the end has to send, as a peer that reads and answers nothing. */
function swallow(end: MuxEnd): number {
  let bytes = 0;
  for (let record = end.record(); record !== null; record = end.record()) bytes += record.length;
  return bytes;
}

Deno.test("a peer that never acknowledges gets no more than its windows, which is what is kept", () => {
  const [end, one, two] = client(2 ** 40);
  for (let i = 0; i < 100; i++) {
    for (const stream of [one, two]) stream.writeNow(zeros(100_000));
    swallow(end);
  }
  assert(end.mux.keptBytes > 2 * WINDOWS.stream && end.mux.keptBytes < 2 * WINDOWS.stream + 200);
  end.give(packWindow(1, 2 ** 50), packWindow(2, 2 ** 50));
  for (let i = 0; i < 100; i++) {
    for (const stream of [one, two]) stream.writeNow(zeros(100_000));
    swallow(end);
  }
  const overhead = end.mux.keptBytes - WINDOWS.total;
  assert(overhead > 0 && overhead < 500, `${overhead}`);
});

Deno.test("a peer that grants windows and never acknowledges makes this end keep a bounded lot", () => {
  const pool = new ChunkPool();
  const [end, one] = client(WINDOWS.total, pool);
  end.give(packWindow(1, 2 ** 50), packWindow(0, 2 ** 50));
  let sent = 0;
  for (let i = 0; i < 200; i++) {
    one.writeNow(zeros(100_000));
    sent += swallow(end);
  }
  const kept = end.mux.keptBytes;
  assert(kept >= WINDOWS.total - CHUNK && kept < WINDOWS.total + MAX_DATA + 100, `${kept}`);
  assert(pool.used * CHUNK < WINDOWS.total + QUEUE + 2 * CHUNK, `${pool.used} chunks`);
  assert(sent < WINDOWS.total + MAX_DATA + 100);
  assert.equal(one.writeNow(zeros(100_000)), 0, "the writer waits");
  const woken = end.wakes.now;
  end.give(packAck(3));
  assert(end.wakes.now > woken, "an acknowledgement lets it go on");
  assert(swallow(end) > 10_000);
});

Deno.test("the memory that frames lie in counts, and not their bytes alone", () => {
  const pool = new ChunkPool();
  const end = new MuxEnd("client", { pool, kept: new SharedBudget(0) });
  const stream = end.open();
  end.sent();
  end.give(packOpened(1, 0, null), packWindow(1, 2 ** 50), packWindow(0, 2 ** 50));
  const size = 51_000;
  for (let i = 0; i < 20; i++) {
    stream.writeNow(zeros(size));
    swallow(end);
  }
  const chunks = Math.ceil(OWN_KEPT / CHUNK);
  assert(end.mux.keptBytes < chunks * (size + 20), `${end.mux.keptBytes}`);
  assert.equal(pool.used, chunks + Math.ceil(QUEUE / CHUNK), "the others wait");
});

Deno.test("a peer that never acknowledges makes this end keep a bounded number of frames", () => {
  const end = new MuxEnd("client", { peer: { ...WINDOWS, streams: 200_000 } });
  for (let i = 0; i < 40_000; i++) {
    const stream = end.open();
    end.record();
    stream.reset();
  }
  swallow(end);
  const most = 65_536; // an open and a reset for each stream, and the others were never heard of
  assert.equal(end.mux.streams, most / 2);
  end.open().writeNow(zeros(10));
  assert.equal(swallow(end), 0);
  const woken = end.wakes.now;
  end.give(packAck(most));
  assert(end.wakes.now > woken, "an acknowledgement lets it go on");
  assert(swallow(end) > 0);
  assert.equal(end.mux.expected, 0);
  assert.throws(() => end.give(packAck(most + 3)), ProtocolError, "an open and data were sent");
});

Deno.test("a peer that opens and never sends or answers holds streams, and no memory of windows", () => {
  const budget = new SharedBudget(1); // short as soon as anything is taken
  const end = new MuxEnd("server", { budget });
  for (let id = 1; id < 2 * WINDOWS.streams; id += 2) end.give(open(id));
  end.sent();
  assert.equal(end.mux.streams, WINDOWS.streams);
  assert.equal(end.mux.keptBytes, 0);
  assert.equal(budget.isShort, false);
  assert.throws(() => end.give(open(1001)), /more streams than were agreed/);
});

Deno.test("a peer that never answers an open holds it until its end or this end's", () => {
  const words: (number | null)[] = [];
  const end = new MuxEnd("client");
  const events = {
    opened: () => assert.fail(),
    refused: (code: number | null) => void words.push(code),
  };
  for (let i = 0; i < WINDOWS.streams; i++) {
    assert(end.mux.canOpen);
    end.open(events).writeNow(zeros(1000));
  }
  assert(!end.mux.canOpen);
  swallow(end);
  end.give(packReset(1, 0));
  assert.deepEqual(words, [null]);
  assert(!end.mux.canOpen, "until the peer has the reset that answers it");
  swallow(end);
  assert(end.mux.canOpen);
  end.mux.end(new TtunError("lost", "over"));
  assert.equal(words.length, WINDOWS.streams);
  assert.equal(end.mux.streams, 0);
});

Deno.test("sessions whose peers never acknowledge keep what all of them may, and its own part each", () => {
  const kept = new CountedBudget(3 << 20);
  const ends = Array.from({ length: 8 }, () => {
    const end = new MuxEnd("client", { mostTotal: 2 ** 40, kept });
    const stream = end.open();
    end.sent();
    end.give(packOpened(1, 0, null), packWindow(1, 2 ** 50), packWindow(0, 2 ** 50));
    for (let i = 0; i < 60; i++) {
      stream.writeNow(zeros(100_000));
      swallow(end);
    }
    return end;
  });
  const all = ends.reduce((sum, { mux }) => sum + mux.keptBytes, 0);
  assert.equal(kept.taken, 3 << 20);
  assert(all <= (3 << 20) + ends.length * (OWN_KEPT + MAX_DATA), `${all}`);
  for (const { mux } of ends) mux.end(new TtunError("lost", "over"));
  assert.equal(kept.taken, 0);
});

Deno.test("many streams to which the peer grants no window keep little each", () => {
  const streams = 4096;
  const end = new MuxEnd("client", { peer: { stream: 0, total: 0, streams } });
  const opened = Array.from({ length: streams }, () => end.open());
  const kept = opened.map((stream) => stream.writeNow(zeros(200_000)));
  assert(kept.every((bytes) => bytes === 16 * 1024), `${kept[0]}`);
  for (const stream of opened.slice(1)) stream.reset();
  assert.equal(opened[0]!.writeNow(zeros(200_000)), 112 * 1024);
});
