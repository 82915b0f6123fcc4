import { concat, readU16, utf8, writeU16 } from "../../base/bytes.ts";
import { errorFromPlain, type PlainError, plainError, type TtunError } from "../../base/errors.ts";
import type { ToxConnection, ToxServer } from "../../../ffi/tox/tox_types.ts";

/**
 * Kinds of records to the thread of libtoxcore. Friends have numbers that the other side gives, each
 * once: the library gives those of friends that are gone to others.
 */
export const COMMAND = {
  start: 1,
  /** The last one: packets before it still go. */
  stop: 2,
  bootstrap: 3,
  addRelay: 4,
  /** A Tox ID, and the message of a friend request. */
  addFriend: 5,
  /** A public key. */
  acceptFriend: 6,
  deleteFriend: 7,
  packet: 8,
} as const;

/** Kinds of records from it. */
export const REPORT = {
  /** The way to the network. */
  self: 1,
  /** A public key, and the message of a friend request. */
  request: 2,
  /** The way to a friend. */
  friend: 3,
  packet: 4,
  /** Packets of a friend that have left the ring for the library since the last such report. */
  taken: 5,
  /** A friend could not be added. */
  refused: 6,
  /** The thread has ended by a failure. */
  failed: 7,
  /** It has ended as it was told to. */
  stopped: 8,
} as const;

const CONNECTIONS: readonly ToxConnection[] = ["none", "tcp", "udp"];
/** Bytes of a port. */
const PORT = 2;

export function connectionBytes(connection: ToxConnection): Uint8Array {
  return Uint8Array.of(CONNECTIONS.indexOf(connection));
}

export function connectionOf(bytes: Uint8Array): ToxConnection {
  return CONNECTIONS[bytes[0]!]!;
}

export function serverBytes({ host, port, publicKey }: ToxServer): Uint8Array {
  return concat(u16(port), publicKey, utf8(host));
}

/** `keySize`: bytes of a public key. The result has copies. */
export function serverOf(bytes: Uint8Array<ArrayBuffer>, keySize: number): ToxServer {
  const host = PORT + keySize;
  return {
    port: readU16(bytes, 0),
    publicKey: bytes.slice(PORT, host),
    host: text(bytes.subarray(host)),
  };
}

/** `isWaiting`: more packets of the friend wait, as the library takes none at the moment. */
export function takenBytes(count: number, isWaiting: boolean): Uint8Array {
  return concat(u16(count), Uint8Array.of(isWaiting ? 1 : 0));
}

export function takenOf(
  bytes: Uint8Array,
): { readonly count: number; readonly isWaiting: boolean } {
  return { count: readU16(bytes, 0), isWaiting: bytes[2] === 1 };
}

export function errorBytes(error: unknown): Uint8Array {
  return utf8(JSON.stringify(plainError(error)));
}

export function errorOf(bytes: Uint8Array): TtunError {
  return errorFromPlain(JSON.parse(text(bytes)) as PlainError);
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
