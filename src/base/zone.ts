import { TtunError } from "./errors.ts";

/** Zones of IPv6 addresses (RFC 4007 section 11): an interface's name or index: `fe80::1%eth0`. */

/** Longest name of an interface (IFNAMSIZ less the NUL). */
const MOST_ZONE = 15;

export function withoutZone(host: string): string {
  const at = host.indexOf("%");
  return at < 0 ? host : host.slice(0, at);
}

/** Returns the zone without the %; null = none. */
export function zoneOf(host: string): string | null {
  const at = host.indexOf("%");
  return at < 0 ? null : host.slice(at + 1);
}

/** Returns true for fe80::/10 (RFC 4291 section 2.5.6). `ip`: 4 or 16 bytes. */
export function isLinkLocal(ip: Uint8Array): boolean {
  return ip.length === 16 && ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80;
}

/** Undoes a URL's %25 for % (RFC 6874) where no number follows. */
export function readZone(zone: string): string {
  return /^25\D/.test(zone) ? zone.slice(2) : zone;
}

/** Checks that only link-local addresses have a zone. @throws {TtunError} usage, quoting `text` */
export function checkZone(text: string, ip: Uint8Array, zone: string | null): void {
  const refuse = (why: string) => {
    throw new TtunError("usage", `Cannot read address ${JSON.stringify(text)}: ${why}`);
  };
  const name = "names of this machine's interfaces: ip -brief link";
  if (zone === null) {
    if (!isLinkLocal(ip)) return;
    refuse(
      `a link-local address is one on each link; write the interface behind it, as fe80::1%eth0 ` +
        `(${name})`,
    );
  } else if (!isLinkLocal(ip)) {
    refuse(`only a link-local address (fe80::…) has an interface behind it; leave %${zone} away`);
  } else if (zone === "") refuse(`the interface behind the % is missing (${name})`);
  else if (new TextEncoder().encode(zone).length > MOST_ZONE || /[\s/%:[\]]/.test(zone)) {
    refuse(`what follows the % is no interface's name (${name})`);
  }
}
