import assert from "node:assert/strict";
import { concat, utf8 } from "../../src/base/bytes.ts";
import type { TtunError } from "../../src/base/errors.ts";
import { Reader } from "../../src/base/varint.ts";
import { ChunkPool, type Piece } from "../../src/core/mux/chunk_pool.ts";
import {
  type MuxAddress,
  type MuxFrameHandler,
  type Open,
  OpenKind,
  packDataHeader,
  readMuxFrame,
} from "../../src/core/mux/frames.ts";
import { LEAST_ROOM, Mux, type MuxCarrier, type MuxOptions } from "../../src/core/mux/mux.ts";
import type { MuxStream, OpenEvents } from "../../src/core/mux/mux_stream.ts";
import { SharedBudget } from "../../src/core/mux/receive_window.ts";

/** Longest data that `tell` shows as text. */
const SHOWN = 40;

export const WINDOWS = { stream: 64 * 1024, total: 256 * 1024, streams: 100 };

export const TARGET: Open = { kind: OpenKind.connect, address: { host: "a.example", port: 80 } };

/** Frames in words: `open 1`, `opened 1 0`, `data 1 hello`, `fin 1`, `window 0 9000`, … */
export function tell(record: Uint8Array): string[] {
  const words: string[] = [];
  const say = (...parts: unknown[]) => void words.push(parts.join(" "));
  const handler: MuxFrameHandler = {
    open: (id) => say("open", id),
    opened: (id, code) => say("opened", id, code),
    data: (id, bytes) =>
      say("data", id, bytes.length > SHOWN ? bytes.length : new TextDecoder().decode(bytes)),
    datagram: (id, _, bytes) => say("datagram", id, new TextDecoder().decode(bytes)),
    fin: (id) => say("fin", id),
    reset: (id, code) => say("reset", id, code),
    window: (id, limit) => say("window", id, limit),
    position: (next) => say("position", next),
    ack: (next) => say("ack", next),
    move: (seconds) => say("move", seconds),
  };
  const reader = new Reader(record);
  while (!reader.isAtEnd) assert(readMuxFrame(reader, handler), "a frame of streams");
  return words;
}

export function dataFrame(stream: number, data: string | Uint8Array): Uint8Array {
  const bytes = typeof data === "string" ? utf8(data) : data;
  return concat(packDataHeader(stream, bytes.length), bytes);
}

/** Answers to an open, in words. */
export class Answers implements OpenEvents {
  readonly words: string[] = [];
  error: TtunError | null = null;

  opened(address: MuxAddress): void {
    this.words.push(`opened ${JSON.stringify(address)}`);
  }

  refused(code: number | null, error: TtunError): void {
    this.words.push(`refused ${code}`);
    this.error = error;
  }
}

/** One end of a session on a clock of its own, with its first carrier. */
export class MuxEnd {
  readonly mux: Mux;
  readonly opened: { readonly stream: MuxStream; readonly open: Open }[] = [];
  readonly moves: number[] = [];
  /** Milliseconds. */
  now = 0;
  rtt = 20;
  /** Calls of `wake`, at once and later. */
  readonly wakes = { now: 0, later: 0 };
  carrier: MuxCarrier;
  #out = new Uint8Array(LEAST_ROOM);

  constructor(
    role: "client" | "server",
    o: Partial<MuxOptions> = {},
    onWake: () => void = () => {},
  ) {
    this.mux = new Mux({
      role,
      local: WINDOWS,
      peer: WINDOWS,
      mostStream: 1024 * 1024,
      mostTotal: 4 * 1024 * 1024,
      budget: new SharedBudget(16 * 1024 * 1024),
      kept: new SharedBudget(16 * 1024 * 1024),
      pool: new PoisoningPool(),
      now: () => this.now,
      rtt: () => this.rtt,
      events: {
        opened: (stream, open) => this.opened.push({ stream, open }),
        move: (seconds) => this.moves.push(seconds),
        wake: (isLater) => {
          this.wakes[isLater ? "later" : "now"]++;
          onWake();
        },
      },
      ...o,
    });
    this.carrier = this.mux.attach(1, null);
  }

  open(answers: OpenEvents = new Answers(), open: Open = TARGET): MuxStream {
    return this.mux.open(open, "a.example:80", answers);
  }

  /** The stream that the peer has opened last. */
  get lastOpened(): MuxStream {
    return this.opened.at(-1)!.stream;
  }

  /** Takes frames that came in one record, which is overwritten then. */
  give(...frames: Uint8Array[]): void {
    this.giveOn(this.carrier, ...frames);
  }

  giveOn(carrier: MuxCarrier, ...frames: Uint8Array[]): void {
    const record = concat(...frames);
    const reader = new Reader(record);
    try {
      while (!reader.isAtEnd) assert(this.mux.receive(carrier, reader), "a frame of streams");
    } finally {
      record.fill(0xee);
    }
  }

  /** Returns the next record of at most `size` bytes; null = there is nothing to send. */
  record(size = LEAST_ROOM, carrier = this.carrier): Uint8Array | null {
    if (this.#out.length < size) this.#out = new Uint8Array(size);
    const end = this.mux.fill(carrier, this.#out, 0, size);
    return end === 0 ? null : this.#out.slice(0, end);
  }

  /** Frames of all that is to be sent, in words. */
  sent(carrier = this.carrier): string[] {
    const words: string[] = [];
    for (let record = this.record(LEAST_ROOM, carrier); record !== null;) {
      words.push(...tell(record));
      record = this.record(LEAST_ROOM, carrier);
    }
    return words;
  }
}

/** Overwrites what is released: who reads it afterwards reads something else. */
export class PoisoningPool extends ChunkPool {
  override release(piece: Piece): void {
    super.release(piece);
    if (piece.chunk?.users === 0) piece.chunk.bytes.fill(0xcc);
  }
}

/** Both ends, joined by carriers that carry at once. */
export class MuxPair {
  readonly client: MuxEnd;
  readonly server: MuxEnd;

  /** `onWake`: called whenever an end has something to send. */
  constructor(o: Partial<MuxOptions> = {}, onWake: () => void = () => {}) {
    this.client = new MuxEnd("client", o, onWake);
    this.server = new MuxEnd("server", o, onWake);
  }

  /** Carries records until none is left, and acknowledges all. */
  exchange(): void {
    for (let isMoving = true; isMoving;) {
      isMoving = false;
      for (const [from, to] of [[this.client, this.server], [this.server, this.client]] as const) {
        from.mux.ackIsDue();
        for (let record = from.record(); record !== null; record = from.record()) {
          to.give(record);
          isMoving = true;
        }
      }
    }
  }

  /** Opens a stream from the client and has it answered; returns both ends of it. */
  connect(answers: OpenEvents = new Answers()): [MuxStream, MuxStream] {
    const here = this.client.open(answers);
    this.exchange();
    const there = this.server.lastOpened;
    there.answer(0, null);
    this.exchange();
    return [here, there];
  }
}

/** Reads all that is there: text, then `end`, `wait`, or the words of the failure. */
export function readAll(stream: MuxStream): [string, string] {
  const into = new Uint8Array(4096);
  let text = "";
  try {
    for (;;) {
      const got = stream.readNow(into);
      if (got === undefined) return [text, "wait"];
      if (got === null) return [text, "end"];
      text += new TextDecoder().decode(into.subarray(0, got));
    }
  } catch (error) {
    return [text, (error as Error).message];
  }
}

/** Writes a text that must be taken whole. */
export function send(stream: MuxStream, text: string): void {
  assert.equal(stream.writeNow(utf8(text)), text.length);
}

/** Registers a reader and a writer; the names in the list are of those that were called. */
export function register(stream: MuxStream): string[] {
  const calls: string[] = [];
  stream.onReadable(() => void calls.push("reader"));
  stream.onWritable(() => void calls.push("writer"));
  assert.deepEqual(calls, [], "never from within");
  return calls;
}
