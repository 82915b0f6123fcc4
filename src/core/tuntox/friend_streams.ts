import { FinalError, TtunError } from "../../base/errors.ts";
import { ChunkPool } from "../mux/chunk_pool.ts";
import { FrameTurns, MOST_ANSWERS } from "./frame_turns.ts";
import type { NoFrame } from "./frames.ts";
import { FriendStream, type StreamOwner } from "./friend_stream.ts";
import {
  NO_STREAM,
  packHello,
  packOpen,
  packOpened,
  packProbe,
  packReset,
  parseStreamFrame,
  ResetCode,
  type StreamFrame,
  STREAMS_VERSION,
} from "./stream_frames.ts";
import type { UnreadHolder, UnreadTotal } from "./unread_total.ts";

/** Streams of a friend at a time: each client has one, and two while it changes connections. */
const MOST_STREAMS = 16;

/** Bytes that the other end may send ahead of a reader at first. */
const FIRST_WINDOW = 64 * 1024;

/** Numbers of streams that have ended, for which frames may be under way. */
const RESTING = 64;

/** Milliseconds for the answer to an open stream's request. */
const ANSWER_MS = 30_000;

/** Answer to a request; one of them is called. */
export interface OpeningEvents {
  opened(stream: FriendStream): void;
  refused(error: TtunError): void;
}

/** A request of this end. */
export interface PendingStream {
  /** Nobody waits for the answer any more: no event is called. */
  cancel(): void;
}

export interface FriendStreamsOptions {
  readonly role: "client" | "server";
  /** Name of the other end for logs. */
  readonly peer: string;
  /** Sends a packet, borrowed for the call; false = it must be given again later, as it is. */
  readonly send: (packet: Uint8Array<ArrayBuffer>) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Call `flush` soon, but not from within. */
  readonly wake: () => void;
  /** The client has opened a stream; false = it is not taken. Absent = none is. */
  readonly accept?: (stream: FriendStream) => boolean;
  /** Bytes that the other end may send ahead of a reader at first; absent = the usual ones. */
  readonly firstWindow?: number;
  /** Counts what waits for readers, of all friends; absent = this one is alone. */
  readonly total?: UnreadTotal | undefined;
}

interface Waiting {
  readonly dueAt: number;
  readonly events: OpeningEvents;
}

/**
 * Streams between two ends of ttun over a link of packets (docs/wire/tuntox.md, 8). An end that is
 * tuntox answers no request, which is known by the pong to the ping behind it.
 */
export class FriendStreams implements StreamOwner, UnreadHolder {
  readonly pool = new ChunkPool();
  readonly firstWindow: number;
  readonly #o: FriendStreamsOptions;
  readonly #streams = new Map<number, FriendStream>();
  /** Requests of this end, by the stream's number. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #frames: FrameTurns<FriendStream>;
  #next = 1;
  /** Takes the answer to `greet`. */
  #greeted: ((hasStreams: boolean) => void) | null = null;
  readonly #resting: number[] = [];
  /** Streams that have ended, of which bytes wait for a reader still. */
  readonly #draining = new Set<FriendStream>();
  #unread = 0;

  constructor(o: FriendStreamsOptions) {
    this.#o = o;
    this.#frames = new FrameTurns(o);
    this.firstWindow = o.firstWindow ?? FIRST_WINDOW;
  }

  /** The link has taken all that there was to send. */
  get isFlushed(): boolean {
    return this.#frames.isFlushed;
  }

  /** Bytes that have come and wait for their readers. */
  get unread(): number {
    return this.#unread;
  }

  /** Streams and requests. */
  get count(): number {
    return this.#streams.size + this.#waiting.size;
  }

  /** The stream that has been there longest. */
  get oldest(): FriendStream | undefined {
    return this.#streams.values().next().value;
  }

  /** Requests wait for a time: call `tick` every second or so. */
  get needsTicks(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Asks whether the other end has streams. `tell` is called once, unless the link is lost or another
   * `greet` follows.
   */
  greet(tell: (hasStreams: boolean) => void): void {
    this.#greeted = tell;
    this.push(packHello());
    this.push(packProbe("probe", NO_STREAM));
  }

  #takeGreeting(hasStreams: boolean): void {
    const tell = this.#greeted;
    this.#greeted = null;
    tell?.(hasStreams);
  }

  /** Asks the server for a stream. */
  open(events: OpeningEvents): PendingStream {
    const number = this.#freshNumber();
    if (number === null) {
      events.refused(this.#cannot("busy", "there are too many connections with it"));
      return { cancel() {} };
    }
    const waiting = { dueAt: this.#o.now() + ANSWER_MS, events };
    this.#waiting.set(number, waiting);
    this.push(packOpen(number, this.firstWindow));
    this.push(packProbe("probe", number));
    return {
      cancel: () => {
        if (this.#waiting.get(number) !== waiting) return;
        this.#waiting.delete(number);
        this.#rest(number);
        this.push(packReset(number, ResetCode.aborted));
      },
    };
  }

  /** Null = there are too many. */
  #freshNumber(): number | null {
    if (this.count >= MOST_STREAMS) return null;
    for (;;) {
      const number = this.#next;
      this.#next = this.#next % 0xffff + 1;
      if (this.#streams.has(number) || this.#waiting.has(number)) continue;
      if (!this.#resting.includes(number)) return number;
    }
  }

  #rest(number: number): void {
    this.#resting.push(number);
    if (this.#resting.length > RESTING) this.#resting.shift();
  }

  // Frames that go.

  /** Sends what can be sent now, and tells readers what has come. Call it also when there is room. */
  flush(): void {
    this.#frames.flush();
  }

  push(frame: Uint8Array<ArrayBuffer>): void {
    this.#frames.push(frame);
  }

  schedule(stream: FriendStream): void {
    this.#frames.schedule(stream);
  }

  // Frames that come.

  /** Takes a packet, a view; null = it was a frame of streams, and else why it is none. */
  receive(packet: Uint8Array): NoFrame | null {
    const frame = parseStreamFrame(packet);
    if (typeof frame === "string") return frame;
    this.#take(frame);
    return null;
  }

  #take(frame: StreamFrame): void {
    switch (frame.kind) {
      case "probe":
        return this.#frames.answer(packProbe("probed", frame.stream));
      case "probed":
        return this.#takeProbed(frame.stream);
      case "hello":
        if (this.#o.role === "server") return this.#frames.answer(packHello());
        return this.#takeGreeting(frame.version === STREAMS_VERSION);
      case "open":
        return this.#takeOpen(frame);
      case "opened":
        return this.#takeOpened(frame.stream, frame.window);
      case "reset":
        return this.#takeReset(frame.stream, frame.code);
    }
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return this.#takeUnknown(frame.stream);
    if (frame.kind === "data") this.#takeData(stream, frame.payload);
    else if (frame.kind === "end") stream.receiveEnd();
    else stream.receiveWindow(frame.bytes);
  }

  #takeData(stream: FriendStream, payload: Uint8Array): void {
    this.#unread += stream.receive(payload);
    this.#frames.heard(stream);
    this.#o.total?.set(this, this.#unread);
  }

  /** Ends the stream of which most waits for its reader. */
  endSlowest(): void {
    const all = [...this.#streams.values(), ...this.#draining];
    all.reduce((a, b) => a.unread >= b.unread ? a : b).cut();
  }

  released(stream: FriendStream, bytes: number): void {
    if (bytes === 0) return;
    this.#unread -= bytes;
    this.#o.total?.set(this, this.#unread);
    if (stream.unread === 0) this.#draining.delete(stream);
  }

  /** Whoever sends to a stream that has not been here lately is told that there is none. */
  #takeUnknown(number: number): void {
    if (this.#resting.includes(number) || this.#waiting.has(number)) return;
    this.#frames.answer(packReset(number, ResetCode.aborted));
    this.#rest(number);
  }

  #takeOpen({ stream: number, version, window }: Extract<StreamFrame, { kind: "open" }>): void {
    const { role, peer, accept } = this.#o;
    const known = this.#streams.get(number);
    if (known !== undefined) return known.receiveAgain();
    if (role !== "server") return;
    if (this.#frames.waiting >= MOST_ANSWERS) return;
    if (version !== STREAMS_VERSION) return this.push(packReset(number, ResetCode.version));
    if (accept === undefined) return this.push(packReset(number, ResetCode.refused));
    if (this.count >= MOST_STREAMS) return this.push(packReset(number, ResetCode.full));
    const stream = new FriendStream(this, number, peer, window);
    this.#streams.set(number, stream);
    if (accept(stream)) return this.push(packOpened(number, this.firstWindow));
    this.#streams.delete(number);
    this.push(packReset(number, ResetCode.refused));
  }

  #takeOpened(number: number, window: number): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return this.#streams.get(number)?.receiveAgain();
    this.#waiting.delete(number);
    const stream = new FriendStream(this, number, this.#o.peer, window);
    this.#streams.set(number, stream);
    waiting.events.opened(stream);
  }

  /** All that was asked before the ping would have been answered before its pong. */
  #takeProbed(number: number): void {
    if (number === NO_STREAM) return this.#takeGreeting(false);
    const why =
      "ttun of an older version or tuntox runs there, which carries forwards of ttun tox " +
      "alone";
    this.#refuse(number, new FinalError("protocol", this.#words(why)));
  }

  #takeReset(number: number, code: number): void {
    this.#streams.get(number)?.receiveReset(code);
    switch (code) {
      case ResetCode.version:
        return this.#refuse(
          number,
          new FinalError("protocol", this.#words("the two ends are of versions that do not fit")),
        );
      case ResetCode.full:
        return this.#refuse(number, this.#cannot("busy", "it has too many connections"));
      default:
        return this.#refuse(number, this.#cannot("unreachable", "it takes no such connection"));
    }
  }

  #refuse(number: number, error: TtunError): void {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    this.#rest(number);
    waiting.events.refused(error);
  }

  finished(stream: FriendStream): void {
    if (stream.unread > 0) this.#draining.add(stream);
    this.#streams.delete(stream.number);
    this.#rest(stream.number);
  }

  /** Ends what has waited too long. */
  tick(): void {
    const now = this.#o.now();
    for (const [number, { dueAt }] of [...this.#waiting]) {
      if (dueAt > now) continue;
      const why = `it did not answer within ${ANSWER_MS / 1000} s`;
      this.#refuse(number, this.#cannot("timeout", why));
    }
  }

  /** The link is lost, and all that was on it. Streams can be opened again. */
  lose(error: TtunError): void {
    this.#frames.clear();
    this.#greeted = null;
    for (const stream of [...this.#streams.values()]) stream.abandon(error);
    for (const number of [...this.#waiting.keys()]) this.#refuse(number, error);
    this.#resting.length = 0;
  }

  #cannot(kind: "busy" | "unreachable" | "timeout", why: string): TtunError {
    return new TtunError(kind, this.#words(why));
  }

  #words(why: string): string {
    return `Cannot connect to ${this.#o.peer}: ${why}`;
  }
}
