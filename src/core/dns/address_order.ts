import { parseIp } from "../../base/addr.ts";
import { withoutZone } from "../../base/zone.ts";

/** An address; `source`: this machine's address towards it, null = there is no way there. */
interface Candidate {
  readonly address: string;
  readonly ip: Uint8Array;
  readonly source: Uint8Array | null;
}

/** Prefixes of RFC 6724 section 2.1 as 16 bytes of IPv6: length, precedence, label. */
const POLICIES: readonly (readonly [string, number, number, number])[] = [
  ["::1", 128, 50, 0],
  ["::ffff:0:0", 96, 35, 4],
  ["::", 96, 1, 3],
  ["2001::", 32, 5, 5],
  ["2002::", 16, 30, 2],
  ["3ffe::", 16, 1, 12],
  ["fec0::", 10, 1, 11],
  ["fc00::", 7, 3, 13],
  ["::", 0, 40, 1],
];
const TABLE = POLICIES.map(([prefix, bits, precedence, label]) => ({
  prefix: parseIp(prefix)!,
  bits,
  precedence,
  label,
}));

/**
 * Sorts addresses, the best first (RFC 6724 section 6, rules 1, 2, 5, 6, 8, 9 and 10, as far as the
 * machine's interfaces need not be known). `sourceOf`: this machine's address for one, or null.
 */
export function orderAddresses(
  addresses: readonly string[],
  sourceOf: (address: string) => string | null,
): string[] {
  if (addresses.length < 2) return [...addresses];
  const candidates = addresses.map((address): Candidate => {
    const source = sourceOf(address);
    return { address, ip: bytesOf(address), source: source === null ? null : bytesOf(source) };
  });
  return candidates.sort(compare).map(({ address }) => address);
}

/** Returns 16 bytes; IPv4 becomes IPv4-mapped IPv6. */
function bytesOf(address: string): Uint8Array {
  const ip = parseIp(withoutZone(address)) ?? new Uint8Array(16);
  if (ip.length === 16) return ip;
  return new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...ip]);
}

function compare(a: Candidate, b: Candidate): number {
  if (a.source === null || b.source === null) return +(a.source === null) - +(b.source === null);
  const [one, two] = [policyOf(a.ip), policyOf(b.ip)];
  return +(scopeOf(b.ip) === scopeOf(b.source)) - +(scopeOf(a.ip) === scopeOf(a.source)) ||
    +(policyOf(b.source).label === two.label) - +(policyOf(a.source).label === one.label) ||
    two.precedence - one.precedence ||
    scopeOf(a.ip) - scopeOf(b.ip) ||
    commonBits(b) - commonBits(a);
}

function policyOf(ip: Uint8Array) {
  return TABLE.find(({ prefix, bits }) => sharedBits(ip, prefix) >= bits)!;
}

const LINK = 2;
const SITE = 5;
const GLOBAL = 14;

/** Returns a scope (RFC 6724 section 3.1 and 3.2): private IPv4 addresses are global ones. */
function scopeOf(ip: Uint8Array): number {
  if (isMapped(ip)) return ip[12] === 127 || (ip[12] === 169 && ip[13] === 254) ? LINK : GLOBAL;
  if (ip[0] === 0xff) return ip[1]! & 0x0f;
  if (ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80) return LINK;
  if (ip[0] === 0xfe && (ip[1]! & 0xc0) === 0xc0) return SITE;
  return ip.subarray(0, 15).every((byte) => byte === 0) && ip[15] === 1 ? LINK : GLOBAL;
}

function isMapped(ip: Uint8Array): boolean {
  return sharedBits(ip, TABLE[1]!.prefix) >= 96;
}

/** Counts for rule 9, up to IPv6's source net: elsewhere it would undo a server's rotation. */
function commonBits({ ip, source }: Candidate): number {
  return isMapped(ip) ? 0 : Math.min(64, sharedBits(ip, source!));
}

function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < 16; i++) {
    const different = a[i]! ^ b[i]!;
    if (different !== 0) return 8 * i + Math.clz32(different) - 24;
  }
  return 128;
}
