import { readU16, readU32, utf8, writeU16, writeU32 } from "../../base/bytes.ts";
import { type NoFrame, packFrame, parseHeader, Type, writeHeader } from "./frames.ts";

/** Version of the streams. */
export const STREAMS_VERSION = 1;

/** Number of no stream. */
export const NO_STREAM = 0;

/** Bytes that an end may send behind `open` or `opened`, at most. */
export const MOST_CREDIT = 1 << 30;

/** Types that tuntox passes over, as it does all that it does not know. */
const StreamType = {
  data: 0x0700,
  end: 0x0701,
  open: 0x0702,
  opened: 0x0703,
  window: 0x0704,
  reset: 0x0705,
  hello: 0x0706,
} as const;

/** Reasons of a reset. */
export const ResetCode = {
  /** The other end has closed it, and reads no more. */
  closed: 0,
  /** It was given up: what was under way is lost. */
  aborted: 1,
  /** No streams are served there. */
  refused: 2,
  /** There are too many. */
  full: 3,
  /** The other end's bytes break the protocol. */
  protocol: 4,
  /** It knows another version. */
  version: 5,
} as const;

/** Begins the payload of pings that ask how far the other end is; tuntox answers them too. */
const PROBE = utf8("ttun");
const PROBE_SIZE = PROBE.length + 2;

/** A frame of the streams between two ends of ttun (docs/wire/tuntox.md, 8); payloads are views. */
export type StreamFrame =
  /** Asks whether there are streams, and says that there are. */
  | { readonly kind: "hello"; readonly stream: number; readonly version: number }
  | {
    readonly kind: "open";
    readonly stream: number;
    readonly version: number;
    readonly window: number;
  }
  | { readonly kind: "opened"; readonly stream: number; readonly window: number }
  | { readonly kind: "data"; readonly stream: number; readonly payload: Uint8Array }
  | { readonly kind: "end"; readonly stream: number }
  | { readonly kind: "window"; readonly stream: number; readonly bytes: number }
  | { readonly kind: "reset"; readonly stream: number; readonly code: number }
  /** A ping, and its pong, which comes behind the answers to all that went before the ping. */
  | { readonly kind: "probe" | "probed"; readonly stream: number };

/** True for a packet that the streams take, and the tunnels do not. It may be damaged. */
export function isOfStreams(packet: Uint8Array): boolean {
  const frame = parseHeader(packet);
  if (typeof frame === "string") return false;
  return frame.type >> 8 === StreamType.data >> 8 || isProbe(frame.type, frame.payload);
}

function isProbe(type: number, payload: Uint8Array): boolean {
  return (type === Type.ping || type === Type.pong) && payload.length === PROBE_SIZE &&
    PROBE.every((byte, i) => payload[i] === byte);
}

export function parseStreamFrame(packet: Uint8Array): StreamFrame | NoFrame {
  const frame = parseHeader(packet);
  if (typeof frame === "string") return frame;
  const { type, number: stream, payload } = frame;
  switch (type) {
    case StreamType.data:
      return payload.length === 0 ? "payload" : { kind: "data", stream, payload };
    case StreamType.end:
      return { kind: "end", stream };
    case StreamType.open:
      if (payload.length < 5) return "payload";
      return { kind: "open", stream, version: payload[0]!, window: readU32(payload, 1) };
    case StreamType.opened:
      if (payload.length < 4) return "payload";
      return { kind: "opened", stream, window: readU32(payload, 0) };
    case StreamType.window:
      if (payload.length < 4) return "payload";
      return { kind: "window", stream, bytes: readU32(payload, 0) };
    case StreamType.reset:
      return payload.length < 1 ? "payload" : { kind: "reset", stream, code: payload[0]! };
    case StreamType.hello:
      return payload.length < 1 ? "payload" : { kind: "hello", stream, version: payload[0]! };
    default:
      if (!isProbe(type, payload)) return "type";
      return {
        kind: type === Type.ping ? "probe" : "probed",
        stream: readU16(payload, PROBE.length),
      };
  }
}

export function packHello(): Uint8Array<ArrayBuffer> {
  return packFrame(StreamType.hello, NO_STREAM, Uint8Array.of(STREAMS_VERSION));
}

export function packOpen(stream: number, window: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(5);
  payload[0] = STREAMS_VERSION;
  writeU32(payload, 1, window);
  return packFrame(StreamType.open, stream, payload);
}

export function packOpened(stream: number, window: number): Uint8Array<ArrayBuffer> {
  return packNumber(StreamType.opened, stream, window);
}

export function packWindow(stream: number, bytes: number): Uint8Array<ArrayBuffer> {
  return packNumber(StreamType.window, stream, bytes);
}

export function packEnd(stream: number): Uint8Array<ArrayBuffer> {
  return packFrame(StreamType.end, stream);
}

export function packReset(stream: number, code: number): Uint8Array<ArrayBuffer> {
  return packFrame(StreamType.reset, stream, Uint8Array.of(code));
}

export function packProbe(kind: "probe" | "probed", stream: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(PROBE_SIZE);
  payload.set(PROBE);
  writeU16(payload, PROBE.length, stream);
  return packFrame(kind === "probe" ? Type.ping : Type.pong, 0, payload);
}

/** Writes the header of a data frame whose payload stands behind it already. */
export function writeStreamHeader(packet: Uint8Array, stream: number, length: number): void {
  writeHeader(packet, StreamType.data, stream, length);
}

function packNumber(type: number, stream: number, value: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4);
  writeU32(payload, 0, value);
  return packFrame(type, stream, payload);
}
