import { type HostPort, ipBytes } from "../../../base/addr.ts";
import { ProtocolError } from "../../../base/errors.ts";
import type { Target } from "../../../base/target.ts";
import { addressSize, packAddress, readAddress } from "./socks5_address.ts";

/**
 * A datagram between a client of SOCKS5 and the proxy (RFC 1928 section 7):
 *
 *     00 00 | fragment (1) | address | bytes
 */
const ADDRESS_AT = 3;

export interface SocksDatagram {
  readonly target: Target;
  /** A view of what was read. */
  readonly bytes: Uint8Array;
}

/** Reads a client's datagram; null = it is to be dropped: a fragment, or not usable. */
export function readSocksDatagram(bytes: Uint8Array): SocksDatagram | null {
  if (bytes.length < ADDRESS_AT + 1 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 0) {
    return null;
  }
  const size = addressSize(bytes, ADDRESS_AT, bytes.length);
  const end = ADDRESS_AT + (size ?? Infinity);
  if (size === null || end > bytes.length) return null;
  try {
    return { target: readAddress(bytes, ADDRESS_AT, size), bytes: bytes.subarray(end) };
  } catch (error) {
    if (error instanceof ProtocolError) return null; // no host, or port 0
    throw error;
  }
}

/** Makes a datagram for the client. `from`: the address that its bytes came from. */
export function packSocksDatagram(from: HostPort, bytes: Uint8Array): Uint8Array {
  const isKnown = ipBytes(from.host) !== null;
  const head = packAddress(isKnown ? from : { host: "0.0.0.0", port: from.port }, ADDRESS_AT);
  const datagram = new Uint8Array(head.length + bytes.length);
  datagram.set(head);
  datagram.fill(0, 0, ADDRESS_AT);
  datagram.set(bytes, head.length);
  return datagram;
}
