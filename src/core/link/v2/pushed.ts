import type { Cidr } from "../../../base/addr.ts";
import { concat } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader } from "../../../base/varint.ts";

/** TLV 82 of docs/wire/link-v2.md repeats family (4 or 6), address, prefix length. */
export const MOST_ROUTES = 64;

/** TLV 83 repeats family, address. */
export const MOST_NAME_SERVERS = 4;

/** Wishes of a server for its clients' machines, which a client need not follow. */
export interface PushedSettings {
  /** Networks that are reached through the tunnel. */
  readonly routes: readonly Cidr[];
  /** IP addresses of 4 or 16 bytes, the best first. */
  readonly nameServers: readonly Uint8Array[];
}

export const NOTHING_PUSHED: PushedSettings = { routes: [], nameServers: [] };

export function packRoutes(routes: readonly Cidr[]): Uint8Array {
  return concat(
    ...routes.map(({ family, bytes, prefix }) => new Uint8Array([family, ...bytes, prefix])),
  );
}

/** Reads TLV 82. Nothing says that a client should follow it. @throws {ProtocolError} */
export function readRoutes(value: Uint8Array): Cidr[] {
  return readList(value, MOST_ROUTES, (reader) => {
    const bytes = readIp(reader);
    const prefix = reader.u8();
    if (prefix > bytes.length * 8) throw wrong(`a prefix length of ${prefix}`);
    return { family: bytes.length === 4 ? 4 : 6, bytes, prefix };
  });
}

export function packNameServers(nameServers: readonly Uint8Array[]): Uint8Array {
  return concat(...nameServers.map((ip) => new Uint8Array([ip.length === 4 ? 4 : 6, ...ip])));
}

/** Reads TLV 83. @throws {ProtocolError} */
export function readNameServers(value: Uint8Array): Uint8Array[] {
  return readList(value, MOST_NAME_SERVERS, readIp);
}

function readList<T>(value: Uint8Array, most: number, read: (reader: Reader) => T): T[] {
  const reader = new Reader(value);
  const found: T[] = [];
  while (!reader.isAtEnd) {
    if (found.length === most) throw wrong(`more than ${most} of one kind`);
    found.push(read(reader));
  }
  return found;
}

function readIp(reader: Reader): Uint8Array {
  const family = reader.u8();
  if (family !== 4 && family !== 6) throw wrong(`family ${family}`);
  return reader.take(family === 4 ? 4 : 16).slice();
}

function wrong(what: string): ProtocolError {
  return new ProtocolError(`Cannot read the settings that the server pushes: ${what}`);
}
