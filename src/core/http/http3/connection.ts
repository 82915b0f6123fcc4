import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";
import { Cost, FloodBudget } from "../http2/flood_budget.ts";
import {
  Frame,
  HTTP2_FRAMES,
  HTTP2_SETTINGS,
  LIST_LIMITS,
  Setting,
  StreamType,
} from "./constants.ts";
import { FrameReader, packFrame } from "./frames.ts";

/** Bytes of a control frame that is kept whole. */
const MOST_CONTROL = 4096;
/** Bytes of an encoder's or decoder's stream for which one point of the budget is spent. */
const INSTRUCTIONS = 16;

/** Returns the first and only bytes of this end's control stream: its type, and the settings. */
export function settingsStream(): Uint8Array {
  const settings = [
    [Setting.maxTableCapacity, 0],
    [Setting.maxFieldSectionSize, LIST_LIMITS.bytes],
    [Setting.blockedStreams, 0],
    [Setting.enableConnectProtocol, 1],
  ].flat().map(varint);
  return concat(varint(StreamType.control), packFrame(Frame.settings, concat(...settings)));
}

interface OneWay {
  type: number | null;
  readonly head: number[];
}

/** Checks a client's streams of one direction, from which an origin server needs nothing (RFC 9114). */
export class Http3Connection {
  readonly #streams = new Map<number, OneWay>();
  readonly #taken = new Set<number>();
  readonly #budget: FloodBudget;
  readonly #control: FrameReader;
  #hasSettings = false;

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#budget = new FloodBudget(now);
    this.#control = new FrameReader({
      begins: (type, length) => this.#begins(type, length),
      frame: (type, payload) => this.#frame(type, payload),
      piece: () => {},
    });
  }

  /** Takes bytes of the stream `id`. @throws {ProtocolError}, which ends the connection */
  feed(id: number, bytes: Uint8Array): void {
    const stream = this.#streams.get(id) ?? { type: null, head: [] };
    this.#streams.set(id, stream);
    let at = 0;
    while (stream.type === null && at < bytes.length) {
      stream.head.push(bytes[at++]!);
      if (stream.head.length === 1 << (stream.head[0]! >>> 6)) this.#begin(stream);
    }
    const rest = bytes.subarray(at);
    if (stream.type === StreamType.control) this.#control.take(rest);
    else if (rest.length > 0) this.#spend(Math.max(1, rest.length / INSTRUCTIONS));
  }

  /** The stream `id` has ended, whichever way. @throws {ProtocolError}, if it must not */
  ended(id: number): void {
    const type = this.#streams.get(id)?.type ?? null;
    this.#streams.delete(id);
    if (type !== null && this.#taken.has(type)) throw bad("a stream ended that must not");
    this.#spend(Cost.reset);
  }

  #begin(stream: OneWay): void {
    const type = new Reader(Uint8Array.from(stream.head)).varint();
    stream.type = type;
    if (type === StreamType.push) throw bad("a client pushes nothing");
    const isKnown = type === StreamType.control || type === StreamType.encoder ||
      type === StreamType.decoder;
    if (!isKnown) return this.#spend(Cost.ignored);
    if (this.#taken.has(type)) throw bad("a stream came twice");
    this.#taken.add(type);
  }

  #begins(type: number, length: number): "whole" | "skip" {
    if (type === Frame.settings) {
      if (this.#hasSettings) throw bad("its settings came twice");
      if (length > MOST_CONTROL) throw bad("its settings are too long");
      return "whole";
    }
    if (!this.#hasSettings) throw bad("its first frame is not of settings");
    const isRequests = type === Frame.data || type === Frame.headers || type === Frame.pushPromise;
    if (isRequests || HTTP2_FRAMES.has(type)) throw bad("a frame is on the wrong stream");
    this.#spend(Cost.ignored + length / MOST_CONTROL);
    return "skip";
  }

  #frame(_type: number, payload: Uint8Array): void {
    this.#hasSettings = true;
    const seen = new Set<number>();
    for (const reader = new Reader(payload); !reader.isAtEnd;) {
      const name = reader.varint();
      reader.varint();
      if (seen.has(name)) throw bad("a setting came twice");
      if (HTTP2_SETTINGS.has(name)) throw bad("a setting is of HTTP/2");
      seen.add(name);
    }
  }

  #spend(points: number): void {
    if (!this.#budget.spend(points)) throw bad("too much without use");
  }
}

function bad(what: string): ProtocolError {
  return new ProtocolError(`HTTP/3: ${what}`);
}
