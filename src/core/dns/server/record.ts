import { parseIp } from "../../../base/addr.ts";
import { concat, utf8, writeU16, writeU32 } from "../../../base/bytes.ts";

/** Types of records (RFC 1035 section 3.2.2, and those that came later). */
export const TYPE = {
  A: 1,
  NS: 2,
  SOA: 6,
  HINFO: 13,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** A record of a name: its content as it is on the wire, and seconds for which it may be kept. */
export interface ZoneRecord {
  /** In lower case, without a dot at the end; `*` as the first label stands for all others. */
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Uint8Array;
  /** The name that it leads to, whose addresses are told beside it; absent = it leads to none. */
  readonly target?: string;
}

/** A record of an IPv4 or IPv6 address. */
export function addressRecord(name: string, address: string, ttl: number): ZoneRecord {
  const data = parseIp(address);
  if (data === null) throw new TypeError(`no IP address: ${address}`);
  return { name, type: data.length === 4 ? TYPE.A : TYPE.AAAA, ttl, data };
}

export function nameServerRecord(name: string, target: string, ttl: number): ZoneRecord {
  return { name, type: TYPE.NS, ttl, data: encodeName(target), target };
}

/** `text`: ASCII of at most 255 characters. */
export function textRecord(name: string, text: string, ttl: number): ZoneRecord {
  return { name, type: TYPE.TXT, ttl, data: characterString(text) };
}

export interface Authority {
  /** The first name server. */
  readonly server: string;
  readonly serial: number;
  /** Seconds for which it may be kept that a name or a record is not there (RFC 2308). */
  readonly negativeTtl: number;
}

/** The record that begins a zone (RFC 1035 section 3.3.13). */
export function authorityRecord(
  zone: string,
  { server, serial, negativeTtl }: Authority,
): ZoneRecord {
  const times = new Uint8Array(20);
  // There are no secondary servers that would refresh, retry and expire.
  [serial, 7200, 900, 1_209_600, negativeTtl].forEach((value, i) => writeU32(times, 4 * i, value));
  const data = concat(encodeName(server), encodeName(`hostmaster.${zone}`), times);
  return { name: zone, type: TYPE.SOA, ttl: negativeTtl, data };
}

/** The one record that a question for all of them gets (RFC 8482 section 4.2). */
export function minimalAnyRecord(name: string): ZoneRecord {
  const data = concat(characterString("RFC8482"), characterString(""));
  return { name, type: TYPE.HINFO, ttl: 3600, data };
}

/** Writes a name without compression. `name`: labels of letters, digits, hyphens and underscores. */
export function encodeName(name: string): Uint8Array {
  const labels = name === "" ? [] : name.split(".").map(utf8);
  return concat(
    ...labels.flatMap((label) => [Uint8Array.of(label.length), label]),
    Uint8Array.of(0),
  );
}

/** Writes what stands before a record's content; its name stands in the question, or is written out. */
export function encodeRecord(
  { type, ttl, data }: ZoneRecord,
  owner: Uint8Array,
): Uint8Array {
  const fixed = new Uint8Array(10);
  writeU16(fixed, 0, type);
  writeU16(fixed, 2, 1); // IN
  writeU32(fixed, 4, ttl);
  writeU16(fixed, 8, data.length);
  return concat(owner, fixed, data);
}

function characterString(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length > 255) throw new RangeError("a text of DNS has at most 255 bytes");
  return concat(Uint8Array.of(bytes.length), bytes);
}
