import { concat } from "../../src/base/bytes.ts";
import { attribute, attributes, u32, view } from "./netlink_message.ts";

// Constants and layout of linux/if_link.h and linux/if.h.

/** struct ifinfomsg: u8 family, pad, u16 type, i32 index, u32 flags, u32 change */
export const IFINFO_SIZE = 16;
export const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
export const IFLA_IFALIAS = 20;
const IFLA_GSO_MAX_SIZE = 41;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x1_0000;
const ARPHRD_NONE = 0xfffe;
const EMPTY = new Uint8Array();

export interface LinkState {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  /** The link has no link layer (ARPHRD_NONE), such as a TUN or WireGuard device. */
  readonly isTunnel: boolean;
}

/** Absent properties stay as they are. */
export interface LinkChange {
  mtu?: number;
  up?: boolean;
  gsoMaxSize?: number;
  queueLength?: number;
  /** Words that the kernel keeps for the administrator, at most 255 bytes. */
  alias?: string;
}

export function packLink(index: number, change: LinkChange): Uint8Array {
  const head = new Uint8Array(IFINFO_SIZE);
  const view = new DataView(head.buffer);
  view.setInt32(4, index, true);
  if (change.up !== undefined) {
    view.setUint32(8, change.up ? IFF_UP : 0, true);
    view.setUint32(12, IFF_UP, true);
  }
  const number = (type: number, value: number | undefined) =>
    value === undefined ? EMPTY : attribute(type, u32(value));
  const mtu = number(IFLA_MTU, change.mtu);
  const gso = number(IFLA_GSO_MAX_SIZE, change.gsoMaxSize);
  const queue = number(IFLA_TXQLEN, change.queueLength);
  const words = change.alias === undefined
    ? EMPTY
    : attribute(IFLA_IFALIAS, new TextEncoder().encode(change.alias));
  return concat(head, mtu, gso, queue, words);
}

export function readLink(body: Uint8Array): LinkState {
  const found = attributes(body.subarray(IFINFO_SIZE));
  const mtu = found.get(IFLA_MTU);
  const name = found.get(IFLA_IFNAME) ?? EMPTY;
  const flags = view(body).getUint32(8, true);
  return {
    index: view(body).getInt32(4, true),
    name: new TextDecoder().decode(
      name.subarray(0, name.includes(0) ? name.indexOf(0) : undefined),
    ),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    isTunnel: view(body).getUint16(2, true) === ARPHRD_NONE,
    mtu: mtu === undefined || mtu.length < 4 ? 0 : view(mtu).getUint32(0, true),
  };
}
