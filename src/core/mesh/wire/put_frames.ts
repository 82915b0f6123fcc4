import { allocSmall } from "../../../base/small_alloc.ts";
import { Reader, varintSize, writeVarint } from "../../../base/varint.ts";
import type { Answer, Frame, NodeState, PutRequest } from "../frame.ts";
import type { MeshRecord } from "../record.ts";
import { VERSION_SIZE, writeVersion } from "../version.ts";
import { recordCodec, recordFlags } from "./record_codec.ts";

/**
 * Puts and their usual answers in one piece, with the bytes that frame_codec.ts gives them field by
 * field: nearly all frames of a busy node are of these, and most of their time was spent on parts.
 */
export const PUT = 0x20;
export const ANSWER = 0x02;

export const STATES: readonly NodeState[] = ["warming", "ready", "leaving"];

/** Returns the frame with its length before it; null = it is none of these. */
export function encodeOfPut(frame: Frame): Uint8Array | null {
  if (frame.type === "put") return encodePut(frame);
  return frame.type === "answer" ? encodeAnswer(frame) : null;
}

function encodePut({ request, record, isOwner }: PutRequest): Uint8Array | null {
  const { bucket, child, value, expiry } = record;
  if (!isAscii(bucket) || !isAscii(child)) return null;
  const names = varintSize(bucket.length) + bucket.length + varintSize(child.length) + child.length;
  const size = 1 + VERSION_SIZE + varintSize(expiry) + names + value.length;
  const tlvs = 1 + varintSize(size) + size + (isOwner ? 2 : 0);
  const [bytes, begin] = begun(PUT, request, tlvs);
  bytes[begin] = 1;
  const at = putRecord(bytes, writeVarint(bytes, begin + 1, size), record);
  if (isOwner) bytes[at] = 2;
  return bytes;
}

function putRecord(bytes: Uint8Array, at: number, record: MeshRecord): number {
  const { bucket, child, value, version, expiry } = record;
  bytes[at] = recordFlags(record);
  writeVersion(bytes, at + 1, version);
  at = writeVarint(bytes, at + 1 + VERSION_SIZE, expiry);
  at = putText(bytes, at, bucket);
  at = putText(bytes, at, child);
  bytes.set(value, at);
  return at + value.length;
}

function encodeAnswer({ request, state, stamp, body }: Answer): Uint8Array | null {
  if (body.to !== "put" || body.better !== null || body.newer !== 0n) return null;
  const time = Math.floor(stamp);
  const [bytes, begin] = begun(ANSWER, request, 3 + 2 + varintSize(time) + 3 + 2);
  bytes[begin] = 1;
  bytes[begin + 1] = 1;
  bytes[begin + 2] = STATES.indexOf(state);
  bytes[begin + 3] = 2;
  bytes[begin + 4] = varintSize(time);
  const at = writeVarint(bytes, begin + 5, time);
  bytes[at] = 3;
  bytes[at + 1] = 1;
  bytes[at + 2] = PUT;
  bytes[at + 3] = 4; // an empty body: what it would say is left out
  return bytes;
}

/** Returns a frame's bytes with all but its fields, and where these go. */
function begun(type: number, request: number, fields: number): [Uint8Array, number] {
  const size = 1 + varintSize(request) + fields;
  const bytes = allocSmall(varintSize(size) + size);
  const at = writeVarint(bytes, 0, size);
  bytes[at] = type;
  return [bytes, writeVarint(bytes, at + 1, request)];
}

/** Reads a frame without its length; null = it is none of these, or is written in another way. */
export function readOfPut(bytes: Uint8Array): Frame | null {
  if (bytes[0] === PUT) return readPut(bytes);
  return bytes[0] === ANSWER ? readAnswer(bytes) : null;
}

/** @throws {ProtocolError} as `recordCodec` */
function readPut(bytes: Uint8Array): Frame | null {
  const reader = new Reader(bytes, 1);
  const request = reader.varint();
  if (request === 0 || reader.u8() !== 1) return null;
  const size = reader.varint();
  const begin = reader.at;
  reader.skip(size);
  const rest = reader.end - reader.at;
  const isOwner = rest === 2 && bytes[reader.at] === 2 && bytes[reader.at + 1] === 0;
  if (rest > 0 && !isOwner) return null;
  const record = recordCodec.read(bytes.subarray(begin, begin + size));
  return { type: "put", request, record, isOwner };
}

function readAnswer(bytes: Uint8Array): Frame | null {
  const reader = new Reader(bytes, 1);
  const request = reader.varint();
  const at = reader.at;
  if (request === 0 || bytes[at] !== 1 || bytes[at + 1] !== 1 || bytes[at + 3] !== 2) return null;
  const state = STATES[bytes[at + 2]!];
  const size = bytes[at + 4];
  const end = at + 5 + size!;
  const isUsual = end + 5 === bytes.length && bytes[end] === 3 && bytes[end + 1] === 1 &&
    bytes[end + 2] === PUT && bytes[end + 3] === 4 && bytes[end + 4] === 0;
  if (!isUsual || state === undefined) return null;
  reader.at = at + 5;
  const stamp = reader.varint();
  if (reader.at !== end) return null;
  return { type: "answer", request, state, stamp, body: { to: "put", better: null, newer: 0n } };
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function putText(bytes: Uint8Array, at: number, text: string): number {
  at = writeVarint(bytes, at, text.length);
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}
