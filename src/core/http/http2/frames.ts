import { concat, utf8, writeU16, writeU32 } from "../../../base/bytes.ts";
import { type ErrorCode, Flag, Frame, HEADER_SIZE, MAX_FRAME } from "./constants.ts";

/** Returns a frame's header; `length` bytes of payload follow. */
export function frameHeader(
  type: number,
  flags: number,
  stream: number,
  length: number,
): Uint8Array {
  const header = new Uint8Array(HEADER_SIZE);
  header[0] = length >>> 16;
  header[1] = length >>> 8;
  header[2] = length;
  header[3] = type;
  header[4] = flags;
  writeU32(header, 5, stream);
  return header;
}

function packFrame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  return concat(frameHeader(type, flags, stream, payload.length), payload);
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeU32(bytes, 0, value);
  return bytes;
}

export function packSettings(
  settings: readonly (readonly [id: number, value: number])[],
): Uint8Array {
  const payload = new Uint8Array(6 * settings.length);
  settings.forEach(([id, value], i) => {
    writeU16(payload, 6 * i, id);
    writeU32(payload, 6 * i + 2, value);
  });
  return packFrame(Frame.settings, 0, 0, payload);
}

export const SETTINGS_ACK = packFrame(Frame.settings, Flag.ack, 0, new Uint8Array());

export function packPingAck(payload: Uint8Array): Uint8Array {
  return packFrame(Frame.ping, Flag.ack, 0, payload);
}

export function packWindowUpdate(stream: number, increment: number): Uint8Array {
  return packFrame(Frame.windowUpdate, 0, stream, u32(increment));
}

export function packRstStream(stream: number, code: ErrorCode): Uint8Array {
  return packFrame(Frame.rstStream, 0, stream, u32(code));
}

export function packGoaway(lastStream: number, code: ErrorCode, words: string): Uint8Array {
  return packFrame(Frame.goaway, 0, 0, concat(u32(lastStream), u32(code), utf8(words)));
}

/** Returns data in frames: headers, and views of the data behind each. */
export function packData(stream: number, bytes: Uint8Array, isEnd: boolean): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_FRAME) {
    const part = bytes.subarray(at, at + MAX_FRAME);
    const flags = isEnd && at + part.length === bytes.length ? Flag.endStream : 0;
    parts.push(frameHeader(Frame.data, flags, stream, part.length));
    if (part.length > 0) parts.push(part);
  }
  return parts;
}

/** Returns a header block in one HEADERS frame and as many of CONTINUATION as it takes. */
export function packHeaders(
  stream: number,
  block: Uint8Array,
  o: { isEnd: boolean; max: number },
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < block.length; at += o.max) {
    const part = block.subarray(at, at + o.max);
    const flags = (at === 0 && o.isEnd ? Flag.endStream : 0) |
      (at + o.max >= block.length ? Flag.endHeaders : 0);
    parts.push(packFrame(at === 0 ? Frame.headers : Frame.continuation, flags, stream, part));
  }
  return parts.length === 1 ? parts[0]! : concat(...parts);
}
