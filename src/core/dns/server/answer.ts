import { concat, writeU16 } from "../../../base/bytes.ts";
import { type DnsQuery, HEADER_SIZE, RCODE, readQuery } from "./query.ts";
import { encodeName, encodeRecord, minimalAnyRecord, TYPE, type ZoneRecord } from "./record.ts";
import type { Found, Zone } from "./zone.ts";

/** Largest answer over UDP: it passes everywhere in one piece (DNS Flag Day 2020). */
const EDNS_SIZE = 1232;

/** Largest one for clients without EDNS (RFC 1035 section 4.2.1). */
const PLAIN_SIZE = 512;
const MOST_MESSAGE = 65_535;

const RESPONSE = 0x8000;
const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
/** Opcode and RD, which an answer repeats. */
const REPEATED = 0x7900;

/** The name of the question, wherever it stands in an answer (RFC 1035 section 4.1.4). */
const OF_QUESTION = Uint8Array.of(0xc0, HEADER_SIZE);

/** How the question came: over UDP an answer must be short, and what is longer is asked for by TCP. */
export type Way = "udp" | "tcp";

/** Answers a message of a stranger from a zone; null = it deserves none. Never throws. */
export function answerQuery(bytes: Uint8Array, zone: Zone, way: Way): Uint8Array | null {
  const read = readQuery(bytes);
  if (read.kind === "dropped") return null;
  if (read.kind === "refused") return encodeRefusal(read);
  const { query } = read;
  const found = lookUp(query, zone);
  if (found.kind === "outside") return encodeRefusal({ ...query, query, rcode: RCODE.refused });
  const whole = encodeAnswer(query, found, zone);
  const most = way === "tcp" ? MOST_MESSAGE : sizeOf(query);
  return whole.length <= most ? whole : encode(query, { flags: AUTHORITATIVE | TRUNCATED });
}

/** Returns the shortest answer to it: come again over TCP, where an address cannot be forged. */
export function truncatedAnswer(bytes: Uint8Array): Uint8Array | null {
  const read = readQuery(bytes);
  return read.kind === "query" ? encode(read.query, { flags: TRUNCATED }) : null;
}

/** Returns the answer that nothing can be said now. */
export function failedAnswer(bytes: Uint8Array): Uint8Array | null {
  const read = readQuery(bytes);
  if (read.kind !== "query") return null;
  return encodeRefusal({ ...read.query, query: read.query, rcode: RCODE.servFail });
}

function lookUp({ name, type }: DnsQuery, zone: Zone): Found {
  if (type !== TYPE.ANY) return zone.find(name, type);
  const found = zone.find(name, null);
  return found.kind === "outside" || found.kind === "nxdomain"
    ? found
    : { kind: "records", records: [minimalAnyRecord(name)] };
}

function encodeAnswer(query: DnsQuery, found: Exclude<Found, { kind: "outside" }>, zone: Zone) {
  if (found.kind === "records") {
    // Clients tend to take the first of several.
    const answers = turned(found.records, query.id);
    return encode(query, { flags: AUTHORITATIVE, answers, glue: glueOf(found.records, zone) });
  }
  const start = zone.find(zone.apex, TYPE.SOA);
  return encode(query, {
    flags: AUTHORITATIVE,
    rcode: found.kind === "nxdomain" ? RCODE.nxDomain : RCODE.noError,
    authorities: start.kind === "records" ? start.records : [],
  });
}

/** Addresses of those names of the zone that the records lead to. */
function glueOf(records: readonly ZoneRecord[], zone: Zone): ZoneRecord[] {
  return records.flatMap(({ target }) =>
    target === undefined ? [] : [TYPE.A, TYPE.AAAA].flatMap((type) => {
      const found = zone.find(target, type);
      return found.kind === "records" ? found.records.map((one) => ({ ...one, name: target })) : [];
    })
  );
}

function turned<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

interface Parts {
  readonly flags: number;
  readonly rcode?: number;
  /** Of the question's name. */
  readonly answers?: readonly ZoneRecord[];
  readonly authorities?: readonly ZoneRecord[];
  readonly glue?: readonly ZoneRecord[];
}

function encode(
  { id, flags: asked, question, edns }: DnsQuery,
  { flags, rcode = 0, answers = [], authorities = [], glue = [] }: Parts,
): Uint8Array {
  const owned = (record: ZoneRecord) => encodeRecord(record, encodeName(record.name));
  const options = edns === null ? [] : [encodeOptions(rcode, edns.wantsSecurity)];
  const counts = [1, answers.length, authorities.length, glue.length + options.length];
  return concat(
    header(id, RESPONSE | (asked & REPEATED) | flags | (rcode & 0xf), counts),
    question,
    ...answers.map((record) => encodeRecord(record, OF_QUESTION)),
    ...authorities.map(owned),
    ...glue.map(owned),
    ...options,
  );
}

function encodeRefusal(
  { id, flags, rcode, query }: {
    readonly id: number;
    readonly flags: number;
    readonly rcode: number;
    readonly query: DnsQuery | null;
  },
): Uint8Array {
  if (query !== null) return encode(query, { flags: 0, rcode });
  return header(id, RESPONSE | (flags & REPEATED) | rcode, [0, 0, 0, 0]);
}

function header(id: number, flags: number, counts: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  [id, flags, ...counts].forEach((value, i) => writeU16(bytes, 2 * i, value));
  return bytes;
}

/** The record of EDNS (RFC 6891 section 6.1): size, upper bits of the code, DO as it was asked. */
function encodeOptions(rcode: number, wantsSecurity: boolean): Uint8Array {
  const bytes = new Uint8Array(11);
  writeU16(bytes, 1, TYPE.OPT);
  writeU16(bytes, 3, EDNS_SIZE);
  bytes[5] = rcode >> 4;
  if (wantsSecurity) bytes[7] = 0x80;
  return bytes;
}

function sizeOf({ edns }: DnsQuery): number {
  return edns === null ? PLAIN_SIZE : Math.min(Math.max(edns.size, PLAIN_SIZE), EDNS_SIZE);
}
