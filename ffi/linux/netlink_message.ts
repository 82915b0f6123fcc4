/** linux/netlink.h, linux/rtnetlink.h; integers in host byte order: little-endian with Deno. */

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

const HEADER_SIZE = 16; // struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

export function packMessage(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, bytes.length, true);
  header.setUint16(4, type, true);
  header.setUint16(6, flags, true);
  header.setUint32(8, sequence, true);
  bytes.set(body, HEADER_SIZE);
  return bytes;
}

/** Stops at the first truncated message. */
export function unpackMessages(bytes: Uint8Array): NetlinkMessage[] {
  const found: NetlinkMessage[] = [];
  const header = view(bytes);
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const length = header.getUint32(at, true);
    if (length < HEADER_SIZE || at + length > bytes.length) break;
    found.push({
      type: header.getUint16(at + 4, true),
      flags: header.getUint16(at + 6, true),
      sequence: header.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += align4(length);
  }
  return found;
}

/** struct rtattr: u16 length (with this header), u16 type, value, padded to 4 bytes */
export function attribute(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(align4(4 + value.length));
  view(bytes).setUint16(0, 4 + value.length, true);
  view(bytes).setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** Maps types to values, which are views of `bytes`. */
export function attributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const header = view(bytes);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = header.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.set(header.getUint16(at + 2, true), bytes.subarray(at + 4, at + length));
    at += align4(length);
  }
  return found;
}

export function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align4(length: number): number {
  return (length + 3) & ~3;
}
