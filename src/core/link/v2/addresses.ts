import { concat } from "../../../base/bytes.ts";
import { type Cidr, formatCidr } from "../../../base/addr.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { Reader } from "../../../base/varint.ts";

/** TLV 0a of docs/wire/link-v2.md repeats family (4 or 6), address, prefix length. */
export const MOST_ADDRESSES = 8;

/** Shortest prefixes accepted: shorter ones would replace routes beyond the tunnel's network. */
const SHORTEST_PREFIX = { 4: 8, 6: 32 } as const;

export function packAddresses(addresses: readonly Cidr[]): Uint8Array {
  return concat(
    ...addresses.map(({ family, bytes, prefix }) => new Uint8Array([family, ...bytes, prefix])),
  );
}

/** Reads TLV 0a. @throws {ProtocolError} on an address that no client should accept */
export function readAddresses(value: Uint8Array): Cidr[] {
  const addresses = readAddressList(new Reader(value));
  for (const address of addresses) if (!isAcceptable(address)) throw wrong(formatCidr(address));
  return addresses;
}

/** Reads addresses up to the reader's end. @throws {ProtocolError} */
export function readAddressList(reader: Reader): Cidr[] {
  const addresses: Cidr[] = [];
  while (!reader.isAtEnd) {
    const family = reader.u8();
    if (family !== 4 && family !== 6) throw wrong(`family ${family}`);
    const bytes = reader.take(family === 4 ? 4 : 16).slice();
    const address: Cidr = { family, bytes, prefix: reader.u8() };
    if (address.prefix > bytes.length * 8) throw wrong(formatCidr(address));
    addresses.push(address);
    if (addresses.length > MOST_ADDRESSES) throw wrong(`more than ${MOST_ADDRESSES} of them`);
  }
  return addresses;
}

export function isAcceptable(address: Cidr): boolean {
  const { family, bytes, prefix } = address;
  return prefix >= SHORTEST_PREFIX[family] && prefix <= bytes.length * 8 && isHost(address);
}

/** Returns false for unspecified, loopback, link-local and multicast addresses. */
function isHost({ family, bytes }: Cidr): boolean {
  const [first, second] = bytes as unknown as [number, number];
  if (family === 4) {
    return first > 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
  }
  // ::/8 has the unspecified address, loopback, mapped IPv4 and the prefixes of translators.
  return first !== 0x00 && first !== 0xff && !(first === 0xfe && second >= 0x80);
}

function wrong(what: string): ProtocolError {
  return new ProtocolError(`Cannot take the other end's addresses: ${what} is not acceptable`);
}
