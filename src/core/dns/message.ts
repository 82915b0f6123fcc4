import { Buffer } from "node:buffer";
import packet from "dns-packet";
import { formatIp, parseIp } from "../../base/addr.ts";
import { isHostName } from "./host_name.ts";

export type RecordType = "A" | "AAAA";

export interface Question {
  readonly id: number;
  /** Name in ASCII, without a dot at the end. */
  readonly name: string;
  readonly type: RecordType;
}

/** Content of an answer. `ttl`: seconds for which it holds; null = it must not be kept. */
export type Reply =
  | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly ttl: number }
  /** The name is there without such a record; or it is not there at all. */
  | { readonly kind: "nodata" | "nxdomain"; readonly ttl: number | null }
  /** The name stands for another, of which the server says nothing: that is to be asked for. */
  | { readonly kind: "alias"; readonly to: string; readonly ttl: number }
  /** The answer did not fit: ask again over TCP. */
  | { readonly kind: "truncated" }
  /** The server cannot or will not tell (RFC 1035 section 4.1.1), or its answer is unreadable. */
  | { readonly kind: "failed"; readonly rcode: number };

export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
const REFUSED = 5;

/** Largest answer over UDP: it passes everywhere in one piece (DNS Flag Day 2020). */
export const EDNS_SIZE = 1232;

/** Largest answer that is read at all: longer ones are no list of addresses. */
export const MOST_MESSAGE = 16_384;
const MOST_RECORDS = 512;
const MOST_ALIASES = 16;
const MOST_ADDRESSES = 64;

const HEADER = 12;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const AUTHORITATIVE = 0x0400;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const TRUNCATED = 0x0200;
const RCODE = 0x000f;

/** Fields of dns-packet's records that are used here; each type has its own. */
interface DnsRecord {
  readonly name: string;
  readonly type: string;
  readonly class?: string;
  readonly ttl?: number;
  readonly data?: unknown;
  /** Upper bits of the code, in OPT (RFC 6891 section 6.1.3). */
  readonly extendedRcode?: number;
}

/** Makes a recursive query, with EDNS(0) (RFC 6891) unless that is not wanted. */
export function encodeQuery(
  { id, name, type }: Question,
  o: { edns: boolean },
): Uint8Array<ArrayBuffer> {
  const options = { type: "OPT", name: ".", udpPayloadSize: EDNS_SIZE, flags: 0, options: [] };
  const bytes = packet.encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type, class: "IN" }],
    additionals: o.edns ? [options] : [],
  });
  return new Uint8Array(bytes);
}

/** Reads an answer to `query`, which encodes `question`; null = it is none. Never throws. */
export function readReply(bytes: Uint8Array, query: Uint8Array, question: Question): Reply | null {
  if (bytes.length < HEADER) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  if (view.getUint16(0) !== question.id || (flags & RESPONSE) === 0 || (flags & OPCODE) !== 0) {
    return null;
  }
  const rcode = flags & RCODE;
  const questions = view.getUint16(4);
  // Servers that cannot read the query may send its header alone.
  if (questions === 0 && (rcode === FORMERR || rcode === NOTIMP)) return { kind: "failed", rcode };
  if (questions !== 1 || !sameQuestion(bytes, query)) return null;
  if ((flags & TRUNCATED) !== 0) return { kind: "truncated" };
  if (rcode !== 0 && rcode !== NXDOMAIN) return { kind: "failed", rcode };
  // A server that asks nobody else, and does not know, says nothing of the name.
  const knows = (flags & (RECURSION_AVAILABLE | AUTHORITATIVE)) !== 0;
  if (rcode === 0 && view.getUint16(6) === 0 && !knows) return { kind: "failed", rcode: REFUSED };
  const records = view.getUint16(6) + view.getUint16(8) + view.getUint16(10);
  if (bytes.length > MOST_MESSAGE || records > MOST_RECORDS) {
    return { kind: "failed", rcode: FORMERR };
  }
  try {
    const decoded = packet.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    return readRecords(decoded as Decoded, question, rcode);
  } catch { // it breaks off, points where it must not, or is of lengths that do not fit
    return { kind: "failed", rcode: FORMERR };
  }
}

interface Decoded {
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Compares questions byte for byte, ignoring case (RFC 4343). */
function sameQuestion(bytes: Uint8Array, query: Uint8Array): boolean {
  let end = HEADER;
  while (query[end] !== 0) end += query[end]! + 1;
  end += 5; // the root, type and class
  if (bytes.length < end) return false;
  for (let at = HEADER; at < end; at++) if (lower(bytes[at]!) !== lower(query[at]!)) return false;
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

function readRecords(
  { answers, authorities, additionals }: Decoded,
  { name, type }: Question,
  rcode: number,
): Reply {
  const options = additionals.find((record) => record.type === "OPT");
  if ((options?.extendedRcode ?? 0) > 0) return { kind: "failed", rcode: FORMERR };
  let owner = name.toLowerCase();
  let ttl = Infinity;
  const own = (wanted: string) =>
    answers.filter((record) =>
      record.type === wanted && record.class === "IN" && nameOf(record.name) === owner
    );
  let isEnd = false;
  // Aliases may stand in any order (RFC 1034 section 3.6.2).
  for (let links = 0; links < MOST_ALIASES; links++) {
    const found = own(type);
    if (found.length > 0 && rcode === 0) {
      const addresses = found.map(({ data }) => addressOf(data, type)).filter((a) => a !== null);
      if (addresses.length === 0) return { kind: "failed", rcode: FORMERR };
      for (const record of found) ttl = Math.min(ttl, ttlOf(record));
      return {
        kind: "addresses",
        addresses: [...new Set(addresses)].slice(0, MOST_ADDRESSES),
        ttl,
      };
    }
    const alias = own("CNAME")[0];
    isEnd = alias === undefined;
    if (alias === undefined) break;
    ttl = Math.min(ttl, ttlOf(alias));
    owner = nameOf(String(alias.data));
  }
  const authority = authorities.find((record) => record.type === "SOA");
  if (authority === undefined && rcode === 0 && isEnd && owner !== name && isHostName(owner)) {
    return { kind: "alias", to: owner, ttl };
  }
  // Without a SOA nobody says for how long (RFC 2308 section 5).
  const minimum = (authority?.data as { minimum?: number } | undefined)?.minimum;
  return {
    kind: rcode === NXDOMAIN ? "nxdomain" : "nodata",
    ttl: authority === undefined || minimum === undefined
      ? null
      : Math.min(ttl, ttlOf(authority), minimum),
  };
}

function nameOf(name: string): string {
  return name.toLowerCase();
}

/** Returns the TTL: zero where the upper bit is set (RFC 2181 section 8). */
function ttlOf({ ttl = 0 }: DnsRecord): number {
  return ttl > 0x7fff_ffff ? 0 : ttl;
}

function addressOf(data: unknown, type: RecordType): string | null {
  const ip = parseIp(String(data));
  return ip === null || ip.length !== (type === "A" ? 4 : 16) ? null : formatIp(ip);
}
