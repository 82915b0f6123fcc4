import { formatIp, formatIpv4At, type HostPort, ipBytes } from "../../src/base/addr.ts";
import { readU16, writeU16 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { isLinkLocal, withoutZone, zoneOf } from "../../src/base/zone.ts";
import type { SocketSystem } from "./socket_system.ts";

const AF_INET = 2;
const SIZE_IN = 16; // struct sockaddr_in: family, u16 port, 4 address, 8 zero
const SIZE_IN6 = 28; // struct sockaddr_in6: family, u16 port, u32 flow, 16 address, u32 scope
const SCOPE_AT = 24;

export const NAME_ROOM = SIZE_IN6;

/** Numbers of interfaces, for zones of link-local addresses. */
export interface Zones {
  /** @throws {NativeError} ENODEV */
  indexOf(zone: string): number;
  nameOf(index: number): string;
}

/**
 * Writes a sockaddr of that system to `bytes`, which must have NAME_ROOM.
 * @throws {TtunError} `internal` if the host is a name
 */
export function writeName(
  system: SocketSystem,
  { host, port }: HostPort,
  bytes: Uint8Array,
  zones: Zones,
): { family: number; size: number } {
  const zone = zoneOf(host);
  const ip = ipBytes(zone === null ? host : withoutZone(host));
  if (ip === null) {
    throw new TtunError("internal", `Cannot use ${host} as an address: it is a name`);
  }
  const isIpv4 = ip.length === 4;
  const family = isIpv4 ? AF_INET : system.afInet6;
  const size = isIpv4 ? SIZE_IN : SIZE_IN6;
  bytes.fill(0, 0, size);
  if (system.hasLength) [bytes[0], bytes[1]] = [size, family];
  else bytes[0] = family; // 16 bits in the host's order, which is little-endian wherever Deno runs
  writeU16(bytes, 2, port);
  bytes.set(ip, isIpv4 ? 4 : 8);
  if (zone !== null) {
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(SCOPE_AT, zones.indexOf(zone), true);
  }
  return { family, size };
}

/** Reads what the system has written; a link-local address has its zone. */
export function readName(system: SocketSystem, bytes: Uint8Array, zones: Zones): HostPort {
  const port = readU16(bytes, 2);
  const family = system.hasLength ? bytes[1] : bytes[0];
  if (family === AF_INET) return { host: formatIpv4At(bytes, 4), port };
  const ip = bytes.subarray(8, 24);
  const index = isLinkLocal(ip)
    ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(SCOPE_AT, true)
    : 0;
  return { host: `${formatIp(ip)}${index === 0 ? "" : `%${zones.nameOf(index)}`}`, port };
}
