import { isLinkLocal, withoutZone, zoneOf } from "../../src/base/zone.ts";
import { formatIp, formatIpv4At, type HostPort, ipBytes } from "../../src/base/addr.ts";
import { readU16, writeU16 } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";

/** Constants of sys/socket.h and netinet/in.h on Linux. */
export const AF_INET = 2;
export const AF_INET6 = 10;
const SIZE_IN = 16; // struct sockaddr_in: u16 family (host order), u16 port, 4 address, 8 zero
const SIZE_IN6 = 28; // struct sockaddr_in6: u16 family, u16 port, u32 flow, 16 address, u32 scope

const SCOPE_AT = 24;

export const SOCKADDR_ROOM = SIZE_IN6;

/**
 * Writes a sockaddr to `bytes`, which must have SOCKADDR_ROOM. A zone needs `interfaces`.
 * @throws {TtunError} `internal` if the host is a name: names must be resolved before
 * @throws {NativeError} ENODEV if there is no such interface
 */
export function writeSockaddr(
  addr: HostPort,
  bytes: Uint8Array,
  interfaces: Interfaces = UNKNOWN,
): { family: number; size: number } {
  const ip = ipBytes(addr.host);
  if (ip === null) {
    const zone = zoneOf(addr.host);
    if (zone !== null) {
      const written = writeSockaddr({ host: withoutZone(addr.host), port: addr.port }, bytes);
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(
        SCOPE_AT,
        interfaces.interfaceIndex(zone),
        true,
      );
      return written;
    }
    throw new TtunError("internal", `Cannot use ${addr.host} as an address: it is a name`);
  }
  const family = ip.length === 4 ? AF_INET : AF_INET6;
  const size = ip.length === 4 ? SIZE_IN : SIZE_IN6;
  bytes.fill(0, 0, size);
  bytes[0] = family; // host byte order, which is little-endian wherever Deno runs
  writeU16(bytes, 2, addr.port);
  bytes.set(ip, ip.length === 4 ? 4 : 8);
  return { family, size };
}

export interface Interfaces {
  interfaceIndex(zone: string): number;
  interfaceName(index: number): string;
}

const UNKNOWN: Interfaces = {
  interfaceIndex(zone) {
    throw new TtunError("internal", `Cannot use %${zone}: interfaces are not known here`);
  },
  interfaceName: String,
};

/**
 * An IPv4-mapped address, as a dual-stack socket reports it, is returned as IPv4 (RFC 4291,
 * 2.5.5.2); a link-local one with its zone (the index without `interfaces`).
 */
export function unpackSockaddr(
  bytes: Uint8Array,
  interfaces: Interfaces = UNKNOWN,
): HostPort {
  const port = readU16(bytes, 2);
  if (bytes[0] === AF_INET && bytes[1] === 0) return { host: formatIpv4At(bytes, 4), port };
  const ip = bytes.subarray(8, 24);
  const index = isLinkLocal(ip)
    ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(SCOPE_AT, true)
    : 0;
  return {
    host: `${formatIp(unmapped(ip))}${index === 0 ? "" : `%${interfaces.interfaceName(index)}`}`,
    port,
  };
}

function unmapped(ip: Uint8Array): Uint8Array {
  const isMapped = ip.subarray(0, 10).every((byte) => byte === 0) && ip[10] === 0xff &&
    ip[11] === 0xff;
  return isMapped ? ip.subarray(12) : ip;
}
