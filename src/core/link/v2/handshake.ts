import { concat } from "../../../base/bytes.ts";
import { type ErrorKind, ProtocolError, TtunError } from "../../../base/errors.ts";
import type { CipherFactory, CipherName } from "../../../contract/cipher.ts";
import type { Rng } from "../../../contract/host.ts";
import type { CipherCosts, CipherReason } from "./cipher_choice.ts";
import { CloseCode, readFrames } from "./frames.ts";
import { type HandshakeSecrets, MAX_HANDSHAKE_BODY, type TrafficSecrets } from "./key_schedule.ts";
import { type PacketKeys, packetKeys } from "./packet.ts";
import { RECORD_HEADER, RECORD_TAG, type RecordOpener, type RecordSealer } from "./record.ts";
import type { KeyExchange } from "./secrets.ts";
import type { Offer } from "./setup.ts";

/**
 * Handshake of link version 2 (docs/wire/link-v2.md, "Handshake"), both ends, as pure machines:
 *
 *     client                                        server
 *       Nc, p random bytes             ────────►    (judged by hello.ts; then this machine)
 *                                      ◄────────    Ns, Rs
 *       Rc, setup                      ────────►    authenticated: may be let in, or refused
 *       done                           ◄────────    setup, or close with words
 */
export interface HandshakeConfig {
  /** The secret S (secrets.ts), borrowed for the life of the handshake. */
  readonly s: Uint8Array;
  readonly makeCipher: CipherFactory;
  readonly keyExchange: KeyExchange;
  readonly rng: Rng;
  /** Hash of the TLS certificate that the server showed; empty without TLS. */
  readonly binding: Uint8Array;
  readonly offer: Offer;
  /** Ciphers that this end accepts, best first. */
  readonly ciphers: readonly CipherName[];
  /** Of this end; null = its user has named a cipher, undefined = they were not measured yet. */
  readonly costs?: CipherCosts | null | undefined;
}

/** A session after its handshake: the keys of both directions, and bytes that arrived early. */
export interface LinkSession extends Disposable {
  readonly sealer: RecordSealer;
  readonly opener: RecordOpener;
  readonly cipher: CipherName;
  /** How a client has chosen it; null at a server. */
  readonly cipherReason: CipherReason | null;
  readonly peer: Offer;
  /** Secret for the proofs of later carriers of this session. */
  readonly resume: Uint8Array;
  /** Both ends have it, and no third one: the nodes of a mesh prove themselves by it. */
  readonly meshBinding: Uint8Array;
  /** Makes the keys of packets beside the records, once; they are the caller's. Null = it has none. */
  readonly packetKeys: (() => PacketKeys) | null;
  readonly transcript: Uint8Array;
  /** Frames behind the peer's setup in the same record, in a copy. */
  readonly firstFrames: Uint8Array;
  /** Bytes behind that record, in a copy. */
  readonly rest: Uint8Array;
}

/** Bytes received and not used yet. Bounded by the largest record, once that is known. */
export class InputBuffer {
  bytes: Uint8Array = new Uint8Array();

  add(chunk: Uint8Array): void {
    this.bytes = concat(this.bytes, chunk);
  }

  take(size: number): Uint8Array {
    const taken = this.bytes.slice(0, size);
    this.bytes = this.bytes.slice(size);
    return taken;
  }
}

export interface FirstRecord {
  readonly setup: Uint8Array | null;
  readonly close: { code: number; words: string } | null;
  readonly behind: Uint8Array;
}

/**
 * Reads a setup or a close; null while incomplete. It is no longer than a handshake record: with
 * different secrets its length is random, and most are then refused at once instead of awaited.
 */
function readFirstRecord(opener: RecordOpener, held: InputBuffer): FirstRecord | null {
  const size = opener.sizeAt(held.bytes, 0, held.bytes.length, MAX_HANDSHAKE_BODY);
  if (size === null || size > held.bytes.length) return null;
  const record = held.take(size);
  opener.open(record, 0, size);
  const text = record.subarray(RECORD_HEADER, size - RECORD_TAG);
  for (const frame of readFrames(text, 0, text.length)) {
    if (frame.kind === "close") return { setup: null, close: frame, behind: new Uint8Array() };
    if (frame.kind === "segmentSize") continue; // as all types from 80 on
    if (frame.kind !== "setup") break;
    const end = frame.tlvs.byteOffset - text.byteOffset + frame.tlvs.length;
    return { setup: frame.tlvs, close: null, behind: text.slice(end) };
  }
  throw new ProtocolError("Cannot read the handshake: its first frame is not a setup");
}

/** Reads the first record. If only that does not open, the ends saw different connections. */
export function readOrSuspect(opener: RecordOpener, held: InputBuffer): FirstRecord | null {
  const wasFirst = opener.counter === 0;
  try {
    return readFirstRecord(opener, held);
  } catch (cause) {
    const isClosed = cause instanceof ProtocolError && cause.reason === "cannot_open";
    throw wasFirst && opener.counter <= 1 && isClosed ? new MitmSuspected(cause) : cause;
  }
}

/** The peer has proved the key on another connection than this one. */
export class MitmSuspected extends TtunError {
  constructor(cause: unknown) {
    super(
      "auth",
      "Cannot authenticate the peer: the two ends saw different connections; someone may be in the middle",
      { cause },
    );
  }
}

export function alreadyOver(): ProtocolError {
  return new ProtocolError("Cannot go on with a handshake that is over");
}

export function overwrite(...secrets: Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** Overwrites all secrets that a session has not taken over. */
export function overwriteSecrets(
  hs: HandshakeSecrets | null,
  traffic: TrafficSecrets | null,
): void {
  if (hs !== null) overwrite(hs.hk, hs.client, hs.server);
  if (traffic === null) return;
  overwrite(traffic.client, traffic.server, traffic.resume, traffic.packets);
}

interface PacketEnd {
  readonly end: "client" | "server";
  readonly makeCipher: CipherFactory;
}

export function makeSession(
  sealer: RecordSealer,
  opener: RecordOpener,
  cipher: CipherName,
  peer: Offer,
  { resume, meshBinding, packets, transcript }: TrafficSecrets,
  firstFrames: Uint8Array,
  rest: Uint8Array,
  cipherReason: CipherReason | null = null,
  ofPackets: PacketEnd | null = null,
): LinkSession {
  return {
    sealer,
    opener,
    cipher,
    cipherReason,
    peer,
    resume,
    meshBinding,
    packetKeys: ofPackets === null
      ? null
      : () => packetKeys(packets, ofPackets.end, cipher, ofPackets.makeCipher),
    transcript,
    firstFrames,
    rest,
    [Symbol.dispose]: () => {
      sealer[Symbol.dispose]();
      opener[Symbol.dispose]();
      overwrite(resume, packets);
    },
  };
}

/** A close frame of the peer's, other than a friendly one, in its words. */
export class PeerClosed extends TtunError {
  /** Of `CloseCode`, or one of the future. */
  readonly code: number;

  constructor(kind: ErrorKind, code: number, message: string) {
    super(kind, message);
    this.code = code;
  }
}

/** Returns the error for a refusal in the server's words (free of control characters). */
export function refusal(code: number, words: string): PeerClosed {
  const said = words === "" ? `code ${code}` : words;
  if (code === CloseCode.busy || code === CloseCode.limit) {
    return new PeerClosed("busy", code, `Cannot connect: the server is busy: ${said}`);
  }
  if (code === CloseCode.notAllowed) {
    return new PeerClosed("auth", code, `Cannot connect: not allowed: ${said}`);
  }
  if (code === CloseCode.protocol) {
    return new PeerClosed("protocol", code, `Cannot go on: the peer says: ${said}`);
  }
  return new PeerClosed("lost", code, `The peer closed the connection: ${said}`);
}

export function clocksDiffer(seconds: number): TtunError {
  const ahead = seconds > 0 ? "ahead of" : "behind";
  return new TtunError(
    "clock",
    `Cannot connect: the other end's clock is ${Math.abs(seconds)} s ${ahead} this one's; ` +
      "set both clocks (timedatectl set-ntp true)",
  );
}

/** Returns 0 to `limit` - 1, of at most 16 bits. The small bias does not matter here. */
export function randomBelow(rng: Rng, limit: number): number {
  const bytes = rng(4);
  return ((bytes[0]! << 24 | bytes[1]! << 16 | bytes[2]! << 8 | bytes[3]!) >>> 0) % limit;
}
