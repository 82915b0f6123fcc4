import assert from "node:assert/strict";
import { TtunError } from "../../src/base/errors.ts";
import { Reader } from "../../src/base/varint.ts";
import { LEAST_ROOM, Mux, type MuxCarrier, type MuxWindows } from "../../src/core/mux/mux.ts";
import { MAX_DATA, type MuxStream } from "../../src/core/mux/mux_stream.ts";
import { OPENED, OpenKind } from "../../src/core/mux/frames.ts";
import { SharedBudget } from "../../src/core/mux/receive_window.ts";
import { PoisoningPool } from "./mux_end.ts";

/** Sizes of a schedule: in bytes, but for the number of streams. */
interface Shape {
  readonly windows: MuxWindows;
  readonly mostStream: number;
  readonly mostTotal: number;
  /** Memory of the windows of both ends beyond the first ones. */
  readonly budget: number;
  readonly write: number;
}

const SHAPES: readonly Shape[] = [
  // Windows and queues are met all the time.
  {
    windows: { stream: 3000, total: 9000, streams: 24 },
    mostStream: 24_000,
    mostTotal: 60_000,
    budget: 200_000,
    write: 9000,
  },
  // Windows never grow.
  {
    windows: { stream: 3000, total: 9000, streams: 24 },
    mostStream: 3000,
    mostTotal: 9000,
    budget: 0,
    write: 5000,
  },
  // A resume sends again what takes many records.
  {
    windows: { stream: 60_000, total: 200_000, streams: 24 },
    mostStream: 200_000,
    mostTotal: 500_000,
    budget: 1_000_000,
    write: 40_000,
  },
];

/** Memory of what both ends keep until it is acknowledged, beyond what each may always keep. */
const KEPT_BUDGET = 2 << 20;

/** Bytes that a stream takes at once. */
const QUEUE = 128 * 1024;

/** Streams of an end that are kept: those that are over are forgotten then. */
const KEPT = 60;

/** Numbers from 0 to below 1 (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = seed + 0x6d2b79f5 | 0;
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

/** One way of a stream as it should be. The byte at `i` is a function of the way and of `i`. */
interface Way {
  readonly key: number;
  written: number;
  read: number;
  hasEnded: boolean;
  /** The stream was reset or refused, or nobody reads: less than all may arrive. */
  isCut: boolean;
}

function byteOf({ key }: Way, i: number): number {
  return (key * 31 + i * 7 + (i >>> 8)) & 0xff;
}

/** A stream at one end, with what it sends and what it should receive. */
interface Handle {
  readonly stream: MuxStream;
  readonly out: Way;
  readonly in: Way;
  isAnswered: boolean;
  isClosed: boolean;
  hasRead: boolean;
}

class End {
  readonly mux: Mux;
  handles: Handle[] = [];
  readonly role: "client" | "server";
  laterAck = false;

  constructor(
    role: "client" | "server",
    world: World,
  ) {
    const { windows, mostStream, mostTotal } = world.shape;
    this.role = role;
    this.mux = new Mux({
      role,
      local: windows,
      peer: windows,
      mostStream,
      mostTotal,
      budget: world.budget,
      kept: world.kept,
      pool: world.pool,
      now: () => world.now,
      rtt: () => 5,
      events: {
        opened: (stream) => {
          const opener = world.opening.get(stream.peer)!;
          this.handles.push({
            stream,
            out: opener.in,
            in: opener.out,
            isAnswered: false,
            isClosed: false,
            hasRead: false,
          });
        },
        move: () => {},
        wake: (isLater) => this.laterAck ||= isLater,
      },
    });
  }
}

/** A carrier: records under way in both directions, and its ends. */
interface Line {
  readonly number: number;
  readonly at: Map<End, MuxCarrier>;
  readonly to: Map<End, Uint8Array[]>;
}

class World {
  now = 0;
  /** Bytes that streams have taken, and carriers so far: a schedule that does nothing shows. */
  moved = 0;
  callbacks = 0;
  /** Nothing is refused or reset any more. */
  isSettling = false;
  readonly shape: Shape;
  readonly budget: SharedBudget;
  readonly kept = new SharedBudget(KEPT_BUDGET);
  readonly pool = new PoisoningPool();
  readonly opening = new Map<string, Handle>();
  readonly client: End;
  readonly server: End;
  readonly ends: readonly End[];
  lines: Line[] = [];
  /** A carrier that the server has, and the client not yet. */
  half: { line: Line; serverExpected: number } | null = null;
  #names = 0;
  carriers = 0;
  readonly chance: () => number;

  constructor(shape: Shape, chance: () => number) {
    this.shape = shape;
    this.chance = chance;
    this.budget = new SharedBudget(shape.budget);
    this.client = new End("client", this);
    this.server = new End("server", this);
    this.ends = [this.client, this.server];
  }

  below(n: number): number {
    return Math.floor(this.chance() * n);
  }

  other(end: End): End {
    return end === this.client ? this.server : this.client;
  }

  connect(): void {
    const line: Line = { number: ++this.carriers, at: new Map(), to: new Map() };
    for (const end of this.ends) line.to.set(end, []);
    const isFirst = line.number === 1;
    const clientExpected = this.client.mux.expected;
    line.at.set(this.server, this.server.mux.attach(line.number, isFirst ? null : clientExpected));
    this.lines.push(line);
    this.half = { line, serverExpected: this.server.mux.expected };
    if (isFirst || this.chance() < 0.5) this.complete();
  }

  complete(): void {
    if (this.half === null) return;
    const { line, serverExpected } = this.half;
    this.half = null;
    const expected = line.number === 1 ? null : serverExpected;
    line.at.set(this.client, this.client.mux.attach(line.number, expected));
  }

  /** Records under way are lost; those that one end has are read first, or not. */
  kill(line: Line): void {
    if (this.half?.line === line) this.half = null;
    this.lines = this.lines.filter((one) => one !== line);
    for (const [end, carrier] of line.at) end.mux.detach(carrier);
  }

  open(end: End): void {
    if (!end.mux.canOpen) return;
    const name = `n${this.#names++}`;
    const address = { path: name };
    const way = (key: number): Way => ({ key, written: 0, read: 0, hasEnded: false, isCut: false });
    const handle: { -readonly [K in keyof Handle]: Handle[K] } = {
      stream: null as unknown as MuxStream,
      out: way(this.#names * 2),
      in: way(this.#names * 2 + 1),
      isAnswered: false,
      isClosed: false,
      hasRead: false,
    };
    this.opening.set(name, handle);
    handle.stream = end.mux.open({ kind: OpenKind.connect, address }, name, {
      opened: () => handle.isAnswered = true,
      refused: () => cut(handle),
    });
    end.handles.push(handle);
  }

  pump(end: End): boolean {
    const line = this.lines.findLast((one) => one.at.has(end));
    if (line === undefined) return false;
    const out = new Uint8Array(LEAST_ROOM + this.below(20_000));
    const size = end.mux.fill(line.at.get(end)!, out, 0, out.length);
    if (size === 0) return false;
    line.to.get(this.other(end))!.push(out.slice(0, size));
    return true;
  }

  deliver(line: Line, end: End): boolean {
    const carrier = line.at.get(end);
    const record = carrier === undefined ? undefined : line.to.get(end)!.shift();
    if (record === undefined) return false;
    const reader = new Reader(record);
    while (!reader.isAtEnd) assert(end.mux.receive(carrier!, reader));
    record.fill(0xee); // nothing may be kept of it
    return true;
  }

  write(handle: Handle): void {
    if (handle.isClosed || handle.out.isCut) return;
    if (this.chance() < 0.3) return this.#fillReserved(handle);
    const bytes = new Uint8Array(1 + this.below(this.chance() < 0.5 ? 60 : this.shape.write));
    for (let i = 0; i < bytes.length; i++) bytes[i] = byteOf(handle.out, handle.out.written + i);
    try {
      const took = handle.stream.writeNow(bytes);
      handle.out.written += took;
      this.moved += took;
    } catch (error) {
      assert(error instanceof TtunError && handle.out.isCut, `${error}`);
    }
    bytes.fill(0xdd);
  }

  #fillReserved({ stream, out }: Handle): void {
    const space = stream.reserveNow();
    if (space === null || space.length === 0) return;
    const size = this.chance() < 0.3 ? space.length : 1 + this.below(space.length);
    for (let i = 0; i < size; i++) space[i] = byteOf(out, out.written + i);
    stream.commit(size);
    out.written += size;
    this.moved += size;
  }

  read(handle: Handle): boolean {
    if (handle.hasRead) return false;
    const ready = this.chance() < 0.5 ? handle.stream.peekNow() : null;
    if (ready !== null) {
      const size = this.chance() < 0.5 ? ready.length : 1 + this.below(ready.length);
      this.#check(handle, ready.subarray(0, size));
      handle.stream.consume(size);
      return true;
    }
    const into = new Uint8Array(1 + this.below(this.chance() < 0.3 ? 100 : 7000));
    let got: number | null | undefined;
    try {
      got = handle.stream.readNow(into);
    } catch (error) {
      assert(error instanceof TtunError && handle.in.isCut, `${error}`);
      handle.hasRead = true;
      return false;
    }
    if (got === undefined) {
      if (this.chance() < 0.6) this.wait(handle);
      return false;
    }
    if (got === null) {
      handle.hasRead = true;
      assert(handle.in.hasEnded);
      assert.equal(handle.in.read, handle.in.written);
      return false;
    }
    this.#check(handle, into.subarray(0, got));
    return true;
  }

  #check({ in: way }: Handle, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== byteOf(way, way.read + i)) assert.fail(`byte ${way.read + i}`);
    }
    way.read += bytes.length;
    assert(way.read <= way.written);
  }

  /** Reads what comes next from within its callback, and may end the stream there. */
  wait(handle: Handle): void {
    handle.stream.onReadable(() => {
      this.callbacks++;
      this.read(handle);
      if (this.isSettling) return;
      const chance = this.chance();
      if (chance < 0.02) this.reset(handle);
      else if (chance < 0.04) this.dispose(handle);
      else if (chance < 0.1) this.close(handle);
      else if (chance < 0.3) this.write(handle);
    });
  }

  close(handle: Handle): void {
    if (handle.isClosed || handle.out.isCut) return;
    handle.isClosed = handle.out.hasEnded = true;
    void handle.stream.closeWrite();
  }

  reset(handle: Handle): void {
    cut(handle);
    handle.stream.reset();
  }

  /** Data that was written still arrives, and its end. */
  dispose(handle: Handle): void {
    if (handle.isAnswered) {
      handle.in.isCut = handle.isClosed = handle.hasRead = true;
      handle.out.hasEnded = true;
    } else cut(handle);
    void handle.stream[Symbol.asyncDispose]();
  }

  answer(end: End, handle: Handle): void {
    if (handle.isAnswered || this.isOpener(end, handle)) return;
    handle.isAnswered = true;
    if (!this.isSettling && this.chance() < 0.15) {
      cut(handle);
      handle.stream.answer(5, null);
    } else handle.stream.answer(OPENED, null);
  }

  isOpener(end: End, handle: Handle): boolean {
    return this.opening.get(handle.stream.peer) === handle && end.handles.includes(handle);
  }

  step(): void {
    this.now += this.below(20);
    const end = this.ends[this.below(2)]!;
    if (end.handles.length > KEPT) end.handles = end.handles.filter((one) => !isOver(one));
    const handle = end.handles[this.below(end.handles.length)];
    const line = this.lines[this.below(this.lines.length)];
    const chance = this.chance();
    if (chance < 0.06) this.open(end);
    else if (chance < 0.22) handle && this.write(handle);
    else if (chance < 0.42) handle && this.read(handle);
    else if (chance < 0.47) handle && this.close(handle);
    else if (chance < 0.475) handle && this.reset(handle);
    else if (chance < 0.48) handle && this.dispose(handle);
    else if (chance < 0.52) handle && this.answer(end, handle);
    else if (chance < 0.72) this.pump(end);
    else if (chance < 0.93) line && this.deliver(line, end);
    else if (chance < 0.95) end.mux.ackIsDue();
    else if (chance < 0.965) line && this.kill(line);
    else if (chance < 0.98) this.complete();
    else if (this.lines.length < 3 && this.half === null) this.connect();
  }

  /** Lets everything end: all is answered, closed, carried and read. */
  settle(): void {
    this.isSettling = true;
    for (const line of [...this.lines]) this.kill(line);
    this.connect();
    this.complete();
    for (let round = 0; round < 2000; round++) {
      this.now += 10;
      let moved = false;
      for (const end of this.ends) {
        for (const handle of end.handles) {
          this.answer(end, handle);
          this.close(handle);
          moved = this.read(handle) || moved;
        }
        end.mux.ackIsDue();
        moved = this.pump(end) || moved;
      }
      for (const line of this.lines) {
        for (const end of this.ends) moved = this.deliver(line, end) || moved;
      }
      if (!moved) break;
    }
  }

  /** Carries more than any window both ways: what was thrown away has been credited. */
  transfer(): void {
    for (const end of this.ends) {
      this.open(end);
      const handle = end.handles.at(-1)!;
      while (handle.out.written < Math.min(2 * this.shape.mostTotal, QUEUE)) this.write(handle);
      this.settle();
      assert.equal(handle.out.read, handle.out.written, "the windows are used up");
    }
  }
}

/** Nothing is to be expected of it any more. */
function isOver({ hasRead, isAnswered, isClosed, out }: Handle): boolean {
  return hasRead && (out.isCut || isClosed && isAnswered);
}

function cut(handle: Handle): void {
  handle.in.isCut = handle.out.isCut = true;
}

/** Figures of a schedule: one that does nothing shows. */
export interface ModelRun {
  /** Bytes that streams have taken. */
  readonly moved: number;
  readonly carriers: number;
  /** Calls of readers that waited. */
  readonly callbacks: number;
}

/**
 * Runs a random schedule of opens, data, ends, resets, deaths of carriers at every record and
 * resumes, at both ends, against a plain reference: every reader sees exactly what was written, once
 * and in order, and at the end everything has ended.
 */
export function runModel(seed: number, steps: number): ModelRun {
  try {
    return run(new World(SHAPES[seed % SHAPES.length]!, random(seed)), steps);
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}

function run(world: World, steps: number): ModelRun {
  const { mostTotal, budget } = world.shape;
  world.connect();
  for (let i = 0; i < steps; i++) {
    world.step();
    for (const { mux } of world.ends) {
      assert(mux.keptBytes <= mostTotal + MAX_DATA + 100, "kept bytes");
    }
  }
  world.settle();
  for (const { mux, handles, role } of world.ends) {
    assert.equal(mux.streams, 0, `streams of the ${role}`);
    assert.equal(mux.keptBytes, 0, `kept bytes of the ${role}`);
    for (const { in: { isCut, read, written }, stream } of handles) {
      if (!isCut) assert.equal(read, written, stream.peer);
    }
  }
  world.transfer();
  for (const { mux } of world.ends) mux.end(new TtunError("lost", "The schedule is over"));
  assert(world.budget.take(budget), "all memory of windows was given back");
  assert(world.kept.take(KEPT_BUDGET), "all memory of frames was given back");
  assert.equal(world.pool.used, 0, "all chunks were given back");
  return world;
}
