import { blake2s } from "../../cipher/blake2s.ts";
import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader, varint } from "../../../base/varint.ts";

/**
 * Large things that the core's node sends to another one, in chunks: bodies of frames of type 30 that
 * begin with another byte than requests to the core do (docs/wire/mesh.md).
 */
export const PARCEL = 2;

/** A sealed backup to be kept, a core that moves, or the authority's keys that follow it. */
export const PARCEL_KINDS = ["backup", "core", "authority"] as const;
export type ParcelKind = typeof PARCEL_KINDS[number];

export const PARCEL_ID = 16;
export const CHUNK_BYTES = 48 << 10;
/** A core of the largest size, as text. */
export const MAX_PARCEL = 400 << 20;
const DIGEST = 32;
const MAX_WORDS = 512;

export type ParcelRequest =
  | { type: "chunk"; id: Uint8Array; kind: ParcelKind; offset: number; bytes: Uint8Array }
  /** All chunks were sent: the receiver compares, and answers once it has the parcel for good. */
  | { type: "finish"; id: Uint8Array; digest: Uint8Array }
  /** Has the node start the core that it was sent. */
  | { type: "activate"; epoch: number };

const TYPES = ["chunk", "finish", "activate"] as const;

export function encodeParcelRequest(request: ParcelRequest): Uint8Array {
  const head = Uint8Array.of(PARCEL, TYPES.indexOf(request.type));
  switch (request.type) {
    case "chunk": {
      const { id, kind, offset, bytes } = request;
      return concat(head, id, Uint8Array.of(PARCEL_KINDS.indexOf(kind)), varint(offset), bytes);
    }
    case "finish":
      return concat(head, request.id, request.digest);
    case "activate":
      return concat(head, varint(request.epoch));
    default:
      return request satisfies never;
  }
}

/** @throws {ProtocolError} */
export function decodeParcelRequest(body: Uint8Array): ParcelRequest {
  const reader = new Reader(body);
  if (reader.u8() !== PARCEL) throw new ProtocolError("Cannot read a parcel: it is none");
  const type = TYPES[reader.u8()];
  switch (type) {
    case "chunk": {
      const id = reader.take(PARCEL_ID).slice();
      const kind = PARCEL_KINDS[reader.u8()];
      if (kind === undefined) throw new ProtocolError("Cannot read a parcel: its kind is unknown");
      const offset = reader.varint();
      return { type, id, kind, offset, bytes: reader.take(reader.end - reader.at).slice() };
    }
    case "finish":
      return { type, id: reader.take(PARCEL_ID).slice(), digest: reader.take(DIGEST).slice() };
    case "activate":
      return { type, epoch: reader.varint() };
    default:
      throw new ProtocolError("Cannot read a parcel: unknown type");
  }
}

/** `refusal`: why not, or null. */
export function encodeParcelAnswer(refusal: string | null): Uint8Array {
  if (refusal === null) return Uint8Array.of(PARCEL, 0);
  return concat(Uint8Array.of(PARCEL, 1), utf8(refusal).subarray(0, MAX_WORDS));
}

/** Returns why the node has refused, or null. @throws {ProtocolError} */
export function decodeParcelAnswer(body: Uint8Array): string | null {
  const reader = new Reader(body);
  if (reader.u8() !== PARCEL) throw new ProtocolError("Cannot read an answer to a parcel");
  if (reader.u8() === 0) return null;
  return new TextDecoder().decode(reader.take(Math.min(MAX_WORDS, reader.end - reader.at)));
}

/** Returns 32 bytes by which a parcel is compared. */
export function parcelDigest(bytes: Uint8Array): Uint8Array {
  return blake2s(bytes, null);
}
