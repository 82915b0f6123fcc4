import assert from "node:assert/strict";
import { type FriendStreamEnd, FriendStreamPair } from "../../../tests/fake/friend_stream_pair.ts";
import { TtunError } from "../../base/errors.ts";
import type { FriendStream } from "./friend_stream.ts";

const SCHEDULES = 10_000;
const STEPS = 50;

const INTO = new Uint8Array(9000);

/** Numbers from 0 to below 1 (mulberry32). */
function randomOf(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

/** One end of a stream, with what it has sent and received. */
class ModelEnd {
  readonly key: number;
  stream: FriendStream | null = null;
  other!: ModelEnd;
  written = 0;
  read = 0;
  hasEnded = false;
  /** It was closed: it need not get all, and what it has sent arrives. */
  isClosed = false;
  /** It was given up, or its link was lost: it need not get or give all. */
  isCut = false;
  end: "end" | "lost" | null = null;

  constructor(key: number) {
    this.key = key;
  }

  byteAt(i: number): number {
    return (this.key * 31 + i * 7 + (i >>> 8)) & 0xff;
  }

  write(size: number): void {
    if (this.stream === null || this.hasEnded || this.isClosed || this.isCut) return;
    const bytes = Uint8Array.from({ length: size }, (_, i) => this.byteAt(this.written + i));
    try {
      this.written += this.stream.writeNow(bytes);
    } catch (error) {
      if (!(error instanceof TtunError) || !this.other.isGone) throw error;
    }
  }

  get isGone(): boolean {
    return this.isCut || this.isClosed;
  }

  /** Reads some; the bytes are those that were written, from the first one on. */
  readSome(size: number): void {
    if (this.stream === null || this.end !== null || this.isGone) return;
    const into = INTO.subarray(0, size);
    try {
      const got = this.stream.readNow(into);
      if (got === null) this.end = "end";
      for (let i = 0; i < (got ?? 0); i++) {
        assert.equal(into[i], this.other.byteAt(this.read + i), "a byte is lost or moved");
      }
      this.read += got ?? 0;
      assert(this.read <= this.other.written);
    } catch (error) {
      if (!(error instanceof TtunError) || error.kind !== "lost") throw error;
      this.end = "lost";
    }
  }
}

function runSchedule(seed: number, sum: { moved: number; whole: number; refusals: number }): void {
  const random = randomOf(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const pair = new FriendStreamPair({ firstWindow: 1000 });
  const ends: ModelEnd[] = [];
  const anEnd = () => ends[upTo(ends.length)];
  const sides: [FriendStreamEnd, FriendStreamEnd][] = [
    [pair.client, pair.server],
    [pair.server, pair.client],
  ];
  const opening: ModelEnd[] = [];
  const accept = () => {
    for (const stream of pair.server.accepted.splice(0)) {
      // Requests that were cancelled or lost are left out of the order.
      const server = opening.shift()!;
      server.stream = stream;
    }
  };
  const open = () => {
    if (ends.length >= 12) return;
    const [client, server] = [new ModelEnd(ends.length), new ModelEnd(ends.length + 1)];
    client.other = server;
    server.other = client;
    ends.push(client, server);
    opening.push(server);
    pair.client.streams.open({
      opened: (stream) => client.stream = stream,
      refused: () => client.isCut = server.isCut = true,
    });
  };
  const end = () => {
    const one = anEnd();
    if (!one?.stream || one.isGone) return;
    one.hasEnded = true;
    one.stream.closeWrite();
  };
  const close = () => {
    const one = anEnd();
    if (!one?.stream || one.isGone) return;
    if (upTo(2) === 0) {
      one.isCut = true;
      one.stream.reset();
    } else {
      one.isClosed = true;
      void one.stream[Symbol.asyncDispose]();
    }
  };
  const carry = () => {
    const [from, to] = sides[upTo(2)]!;
    from.room = upTo(4) === 0 ? 0 : upTo(20);
    from.streams.flush();
    pair.deliver(from, to, upTo(20));
    accept();
  };
  const lose = () => {
    for (const one of [pair.client, pair.server]) {
      one.streams.lose(new TtunError("lost", "The friend has gone"));
      one.forget();
    }
    opening.length = 0;
    for (const one of ends) if (one.end === null) one.isCut = true;
    assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
  };
  const write = () => anEnd()?.write(1 + upTo(2000));
  const read = () => anEnd()?.readSome(1 + upTo(2000));
  const usual = [open, write, write, write, read, read, carry, carry, carry, carry];
  for (let step = 0; step < STEPS; step++) {
    const rare = upTo(60);
    if (rare === 0) lose();
    else if (rare < 3) close();
    else if (rare < 7) end();
    else usual[upTo(usual.length)]!();
  }

  // Everything that is still there is carried to its end.
  for (const [from] of sides) from.room = Infinity;
  const readAll = () => {
    for (let moved = -1; moved !== 0;) {
      pair.settle();
      accept();
      const before = ends.reduce((all, { read }) => all + read, 0);
      for (const one of ends) one.readSome(9000);
      moved = ends.reduce((all, { read }) => all + read, 0) - before;
    }
  };
  readAll();
  for (const one of ends) {
    const { other } = one;
    if (one.stream === null || other.stream === null || one.isGone || other.isCut) continue;
    assert.equal(one.read, other.written, "not all has come");
    assert.equal(one.end, other.hasEnded || other.isClosed ? "end" : null);
    sum.whole++;
  }
  for (const one of ends) {
    if (!one.isCut && !one.isClosed) void one.stream?.[Symbol.asyncDispose]();
    one.isClosed = true;
  }
  readAll();
  assert.equal(pair.client.streams.count + pair.server.streams.count, 0);
  assert(pair.client.streams.isFlushed && pair.server.streams.isFlushed);
  sum.moved += ends.reduce((all, { read }) => all + read, 0);
  sum.refusals += pair.client.refusals + pair.server.refusals;
}

Deno.test(`${SCHEDULES} random schedules of streams: no byte is lost, repeated or moved, and nothing stays`, () => {
  const sum = { moved: 0, whole: 0, refusals: 0 };
  for (let seed = 1; seed <= SCHEDULES; seed++) {
    try {
      runSchedule(seed, sum);
    } catch (cause) {
      throw new Error(`Schedule ${seed} fails`, { cause });
    }
  }
  assert(sum.moved > SCHEDULES * 500 && sum.whole > SCHEDULES / 2, JSON.stringify(sum));
  assert(sum.refusals > SCHEDULES / 2, JSON.stringify(sum));
});
