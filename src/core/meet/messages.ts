import { formatIp, type HostPort, parseIp } from "../../base/addr.ts";
import { concat, readU16, readU32, writeU16, writeU32 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";

/** Messages of a stream to the service "meeting" (docs/wire/meeting.md). */

/** Bytes of a message's type and length. */
export const MEETING_HEADER = 3;

/** Bytes of a meeting's name, and of an end's. */
export const MEETING_ID = 16;

/** Addresses of an end. */
export const MOST_CANDIDATES = 8;

/** More than any message has. */
const MOST_BODY = 256;

/** Longest round trip, and longest wait, in milliseconds. */
export const MOST_MS = 10_000;

/** The end that dials is link version 2's client between the two. */
export type Side = "listens" | "dials";

export interface Join {
  readonly kind: "join";
  readonly side: Side;
  /** Null: a new meeting with a number, at an end that listens. */
  readonly id: Uint8Array | null;
  /** 16 random bytes: an end that comes again takes its own place. */
  readonly end: Uint8Array;
}

export interface Ready {
  readonly kind: "ready";
  /** Between this end and the server. */
  readonly roundTripMs: number;
  readonly address: EndAddress;
}

/** Where an end may be reached. */
export interface EndAddress {
  /** The port at the server is the one that the end has bound, as far as it knows. */
  readonly keepsPort: boolean;
  /** IP addresses without a zone, the likeliest first. */
  readonly candidates: readonly HostPort[];
}

/** The connection is to go by way of the server. */
export interface WantRelay {
  readonly kind: "relay";
}

export type EndMessage = Join | Ready | WantRelay;

export interface Joined {
  readonly kind: "joined";
  /** 0 = the meeting has none. */
  readonly number: number;
  /** Address from which the server sees the end; null = the connection has none. */
  readonly observed: HostPort | null;
}

/** Both ends connect at the same moment, so many milliseconds after it has come. */
export interface Go {
  readonly kind: "go";
  readonly waitMs: number;
  /** The other end's. */
  readonly address: EndAddress;
}

/** All that follows on the stream are the other end's bytes. */
export interface Relayed {
  readonly kind: "relayed";
}

/** The other end has left. */
export interface Gone {
  readonly kind: "gone";
}

export const REFUSED = {
  /** Two ends are there already. */
  taken: 1,
  /** Nobody has come, or the two took too long. */
  late: 2,
  /** The end came again, by another stream. */
  replaced: 3,
  /** Asked for a relay: the other end is not there (any more). */
  alone: 4,
  /** Asked for a relay: the server has none. */
  relayOff: 5,
  /** Asked for a relay: it carries as many as it may. */
  relaysFull: 6,
} as const;

export type RefusedReason = keyof typeof REFUSED;

export interface Refused {
  readonly kind: "refused";
  /** Null: one that this version does not know. */
  readonly reason: RefusedReason | null;
}

export type ServerMessage = Joined | Go | Relayed | Gone | Refused;

const TYPE = {
  join: 0x01,
  ready: 0x02,
  relay: 0x03,
  joined: 0x11,
  go: 0x12,
  relayed: 0x13,
  gone: 0x14,
  refused: 0x15,
} as const satisfies Record<(EndMessage | ServerMessage)["kind"], number>;

/** From this type on a message that is not known is passed over. */
const OPTIONAL_FROM = 0x80;

const KEEPS_PORT = 0x01;
const DIALS = 0x01;
const HAS_ID = 0x02;

/** Returns the bytes of the body behind a header. @throws {ProtocolError} */
export function bodySize(header: Uint8Array): number {
  const size = readU16(header, 1);
  if (size > MOST_BODY) throw new ProtocolError("Cannot read a meeting's message: it is too long");
  return size;
}

export function packMessage(message: EndMessage | ServerMessage): Uint8Array {
  const body = packBody(message);
  const header = new Uint8Array(MEETING_HEADER);
  header[0] = TYPE[message.kind];
  writeU16(header, 1, body.length);
  return concat(header, body);
}

function packBody(message: EndMessage | ServerMessage): Uint8Array {
  switch (message.kind) {
    case "join": {
      const { side, id, end } = message;
      const flags = (side === "dials" ? DIALS : 0) | (id === null ? 0 : HAS_ID);
      return concat(Uint8Array.of(flags), end, id ?? new Uint8Array());
    }
    case "ready":
      return concat(u16(message.roundTripMs), packAddress(message.address));
    case "joined": {
      const number = new Uint8Array(4);
      writeU32(number, 0, message.number);
      return concat(number, packCandidates(message.observed === null ? [] : [message.observed]));
    }
    case "go":
      return concat(u16(message.waitMs), packAddress(message.address));
    case "refused":
      return Uint8Array.of(message.reason === null ? 0 : REFUSED[message.reason]);
    case "relay":
    case "relayed":
    case "gone":
      return new Uint8Array();
  }
}

function packAddress({ keepsPort, candidates }: EndAddress): Uint8Array {
  return concat(Uint8Array.of(keepsPort ? KEEPS_PORT : 0), packCandidates(candidates));
}

function packCandidates(candidates: readonly HostPort[]): Uint8Array {
  if (candidates.length > MOST_CANDIDATES) throw new RangeError("too many candidates");
  const all = candidates.map(({ host, port }) => {
    const ip = parseIp(host);
    if (ip === null) throw new RangeError("a candidate is no IP address");
    return concat(Uint8Array.of(ip.length === 4 ? 4 : 6), ip, u16(port));
  });
  return concat(Uint8Array.of(all.length), ...all);
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
}

/** Reads what an end has sent; null = to be passed over. @throws {ProtocolError} */
export function readEndMessage(type: number, body: Uint8Array): EndMessage | null {
  return readWhole(type, body, (reader) => {
    switch (type) {
      case TYPE.join: {
        const flags = reader.u8();
        const side = (flags & DIALS) === 0 ? "listens" : "dials";
        const end = reader.take(MEETING_ID).slice();
        const id = (flags & HAS_ID) === 0 ? null : reader.take(MEETING_ID).slice();
        if (id === null && side === "dials") throw bad("a meeting's number is for who listens");
        return { kind: "join", side, id, end };
      }
      case TYPE.ready:
        return { kind: "ready", roundTripMs: readMs(reader), address: readAddress(reader) };
      case TYPE.relay:
        return { kind: "relay" };
      default:
        return null;
    }
  });
}

/** Reads what a server has sent; null = to be passed over. @throws {ProtocolError} */
export function readServerMessage(type: number, body: Uint8Array): ServerMessage | null {
  return readWhole(type, body, (reader) => {
    switch (type) {
      case TYPE.joined: {
        const number = readU32(reader.take(4), 0);
        const all = readCandidates(reader);
        if (all.length > 1) throw bad("an end has one observed address");
        return { kind: "joined", number, observed: all[0] ?? null };
      }
      case TYPE.go:
        return { kind: "go", waitMs: readMs(reader), address: readAddress(reader) };
      case TYPE.relayed:
        return { kind: "relayed" };
      case TYPE.gone:
        return { kind: "gone" };
      case TYPE.refused:
        return { kind: "refused", reason: reasonOf(reader.u8()) };
      default:
        return null;
    }
  });
}

/** Runs `read`, whose null says that it does not know the type; a known one has no bytes left. */
function readWhole<T>(
  type: number,
  body: Uint8Array,
  read: (reader: Reader) => T | null,
): T | null {
  const reader = new Reader(body);
  const message = read(reader);
  if (message === null) {
    if (type >= OPTIONAL_FROM) return null;
    throw bad(`type ${type} is not known`);
  }
  if (!reader.isAtEnd) throw bad("bytes are left");
  return message;
}

function readMs(reader: Reader): number {
  const ms = readU16(reader.take(2), 0);
  if (ms > MOST_MS) throw bad("a time is too long");
  return ms;
}

function readAddress(reader: Reader): EndAddress {
  const flags = reader.u8();
  return { keepsPort: (flags & KEEPS_PORT) !== 0, candidates: readCandidates(reader) };
}

function readCandidates(reader: Reader): HostPort[] {
  const count = reader.u8();
  if (count > MOST_CANDIDATES) throw bad("there are too many addresses");
  return Array.from({ length: count }, () => {
    const family = reader.u8();
    if (family !== 4 && family !== 6) throw bad("an address is of no known family");
    const host = formatIp(reader.take(family === 4 ? 4 : 16));
    return { host, port: readU16(reader.take(2), 0) };
  });
}

function reasonOf(code: number): RefusedReason | null {
  const all = Object.entries(REFUSED) as [RefusedReason, number][];
  return all.find(([, value]) => value === code)?.[0] ?? null;
}

function bad(why: string): ProtocolError {
  return new ProtocolError(`Cannot read a meeting's message: ${why}`);
}
