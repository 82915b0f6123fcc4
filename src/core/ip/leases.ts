import { formatIp, parseIp } from "../../base/addr.ts";
import type { Lease } from "./address_pool.ts";
import { isClientName } from "../link/v2/client_name.ts";

/**
 * Leases are stored one per line, the longest unused first; only those of kept identities. Before
 * an identity is the name of the client's key, where there are several.
 */
const HEAD = "# ttun: [key:]identity, name, last used, addresses\n";

/** Largest size in bytes: no pool remembers more leases (address_pool.ts). */
export const MOST_LEASE_BYTES = 2 << 20;

const OWNER = /^(?:(?<key>[\p{L}\p{N}_.@-]{1,64}):)?[0-9a-f]{32}$/u;

export function writeLeases(leases: readonly Lease[]): string {
  const lines = leases.map(({ owner, name, usedAt, addresses }) =>
    [
      owner,
      name === "" ? "-" : name,
      new Date(usedAt).toISOString(),
      ...addresses.map(({ bytes }) => formatIp(bytes)),
    ].join(" ") + "\n"
  );
  return HEAD + lines.join("");
}

/** Skips invalid lines: a damaged file is no reason not to serve. */
export function readLeases(text: string): Lease[] {
  return text.split("\n").flatMap((line) => readLease(line) ?? []);
}

function readLease(line: string): Lease | null {
  const [owner = "", name = "", time = "", ...texts] = line.trim().split(" ");
  const usedAt = Date.parse(time);
  const found = OWNER.exec(owner);
  if (found === null || Number.isNaN(usedAt)) return null;
  const { key = "" } = found.groups!;
  if (name !== "-" && !isClientName(name)) return null;
  const addresses = texts.slice(0, 2).flatMap((text) => {
    const bytes = parseIp(text);
    if (bytes === null) return [];
    return {
      family: bytes.length === 4 ? 4 as const : 6 as const,
      bytes,
      prefix: 8 * bytes.length,
    };
  });
  if (addresses.length === 0) return null;
  return { owner, key, isKept: true, name: name === "-" ? "" : name, usedAt, addresses };
}
