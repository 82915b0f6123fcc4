import type { Cidr } from "../src/base/addr.ts";
import { concat } from "../src/base/bytes.ts";
import { NativeError } from "./errno.ts";
import { cString, type Libc } from "./libc.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

/**
 * rtnetlink (RFC 3549; linux/netlink.h, linux/rtnetlink.h, linux/if_addr.h, linux/if_link.h):
 * links, addresses and routes without the `ip` program. All integers are in host order, which on
 * every machine that Deno runs on is little-endian. (Numbers and layouts of all messages stand
 * together on purpose: that is why this file is long.)
 */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
export const RTM_NEWLINK = 16;
export const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const HEADER_SIZE = 16; // struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port
const IFINFO_SIZE = 16; // struct ifinfomsg: u8 family, pad, u16 type, i32 index, u32 flags, u32 change
const IFADDR_SIZE = 8; // struct ifaddrmsg: u8 family, prefix, flags, scope; u32 index
// struct rtmsg: u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags
const RTMSG_SIZE = 12;

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFLA_GSO_MAX_SIZE = 41;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_F_NODAD = 0x02;
const RTA_DST = 1;
const RTA_OIF = 4;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const IFF_UP = 0x1;

export interface LinkState {
  readonly index: number;
  readonly mtu: number;
  readonly up: boolean;
}

/** An address of a link; with `peer`, point to point: `peer` and its prefix are what is on the other side. */
export interface LinkAddress {
  readonly local: Cidr;
  readonly peer?: Cidr | undefined;
}

/** What `setLink` changes; what is absent stays. */
export interface LinkChange {
  mtu?: number;
  up?: boolean;
  gsoMaxSize?: number;
  queueLength?: number;
}

/** One rtnetlink socket. Every call waits for the kernel's answer, which is there at once. */
export class Netlink implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #answer = new Uint8Array(64 * 1024);
  #sequence = 0;

  /** @throws {NativeError} */
  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = libc.check(
      "socket",
      libc.call.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
    );
  }

  /** @throws {NativeError} ENODEV where there is no such link */
  link(name: string): LinkState {
    const body = concat(new Uint8Array(IFINFO_SIZE), attribute(IFLA_IFNAME, cString(name)));
    for (const message of this.request(RTM_GETLINK, 0, body)) return readLink(message.body);
    throw new NativeError("RTM_GETLINK", 19 /* ENODEV */);
  }

  /**
   * `gsoMaxSize`: the largest super-packet that the kernel makes for the device, in bytes.
   * `queueLength`: how many packets it keeps for who reads the device.
   * @throws {NativeError} EPERM, EINVAL (an MTU or size that the device cannot have)
   */
  setLink(index: number, change: LinkChange): void {
    const head = new Uint8Array(IFINFO_SIZE);
    const view = new DataView(head.buffer);
    view.setInt32(4, index, true);
    if (change.up !== undefined) {
      view.setUint32(8, change.up ? IFF_UP : 0, true);
      view.setUint32(12, IFF_UP, true);
    }
    const number = (type: number, value: number | undefined) =>
      value === undefined ? new Uint8Array() : attribute(type, u32(value));
    const mtu = number(IFLA_MTU, change.mtu);
    const gso = number(IFLA_GSO_MAX_SIZE, change.gsoMaxSize);
    const queue = number(IFLA_TXQLEN, change.queueLength);
    this.request(RTM_SETLINK, 0, concat(head, mtu, gso, queue));
  }

  addresses(index: number): LinkAddress[] {
    return this.request(RTM_GETADDR, NLM_F_DUMP, new Uint8Array(IFADDR_SIZE))
      .filter((message) => view(message.body).getUint32(4, true) === index)
      .map((message) => readAddress(message.body));
  }

  /** @throws {NativeError} EPERM, EEXIST, EACCES and EOPNOTSUPP (IPv6 switched off) */
  addAddress(index: number, address: LinkAddress): void {
    this.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, packAddress(index, address));
  }

  /** @throws {NativeError} EPERM, EADDRNOTAVAIL */
  removeAddress(index: number, address: LinkAddress): void {
    this.request(RTM_DELADDR, 0, packAddress(index, address));
  }

  /** The networks that the main table sends to this link. */
  routes(index: number): Cidr[] {
    return this.request(RTM_GETROUTE, NLM_F_DUMP, new Uint8Array(RTMSG_SIZE))
      .map((message) => readRoute(message.body))
      .filter((route) => route.index === index)
      .map((route) => route.to);
  }

  /** @throws {NativeError} EPERM, EEXIST, ENETDOWN (the link is down) */
  addRoute(index: number, to: Cidr): void {
    this.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, packRoute(index, to));
  }

  /** @throws {NativeError} EPERM, ESRCH */
  removeRoute(index: number, to: Cidr): void {
    this.request(RTM_DELROUTE, 0, packRoute(index, to));
  }

  /**
   * Sends one message and takes what comes until the acknowledgement.
   * @throws {NativeError} whatever errno the kernel answers
   */
  request(type: number, flags: number, body: Uint8Array): NetlinkMessage[] {
    const sequence = ++this.#sequence;
    const bytes = packMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, body);
    this.#libc.check("send", this.#libc.call.send(this.#fd, bytes, BigInt(bytes.length), 0));
    const found: NetlinkMessage[] = [];
    for (;;) {
      const { call } = this.#libc;
      const size = this.#libc.retry(() =>
        call.recv(this.#fd, this.#answer, BigInt(this.#answer.length), 0)
      );
      if (size < 0) throw new NativeError("recv", -size);
      for (const message of unpackMessages(this.#answer.slice(0, size))) {
        if (message.sequence !== sequence) continue; // an answer to a request that failed midway
        if (message.type === NLMSG_DONE) return found;
        if (message.type !== NLMSG_ERROR) found.push(message);
        else {
          const errno = -view(message.body).getInt32(0, true);
          if (errno !== 0) throw new NativeError(`rtnetlink ${type}`, errno);
          return found;
        }
      }
    }
  }

  [Symbol.dispose](): void {
    this.#libc.call.close(this.#fd);
  }
}

export interface NetlinkMessage {
  readonly type: number;
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

/** The messages of one datagram; what is cut short is left out. */
export function unpackMessages(bytes: Uint8Array): NetlinkMessage[] {
  const found: NetlinkMessage[] = [];
  const header = view(bytes);
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const length = header.getUint32(at, true);
    if (length < HEADER_SIZE || at + length > bytes.length) break;
    found.push({
      type: header.getUint16(at + 4, true),
      sequence: header.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_SIZE, at + length),
    });
    at += align4(length);
  }
  return found;
}

/** struct rtattr: u16 length (with this header), u16 type, value, padded to 4 bytes. */
export function attribute(type: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(align4(4 + value.length));
  view(bytes).setUint16(0, 4 + value.length, true);
  view(bytes).setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

/** Attribute type → value, from the bytes behind a fixed header. */
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

function packAddress(index: number, address: LinkAddress): Uint8Array {
  const { local, peer } = address;
  const head = new Uint8Array(IFADDR_SIZE);
  head[0] = local.family === 4 ? AF_INET : AF_INET6;
  head[1] = (peer ?? local).prefix;
  head[2] = local.family === 6 ? IFA_F_NODAD : 0; // there is nobody to ask on a point-to-point link
  view(head).setUint32(4, index, true);
  return concat(
    head,
    attribute(IFA_LOCAL, local.bytes),
    attribute(IFA_ADDRESS, (peer ?? local).bytes),
  );
}

function readAddress(body: Uint8Array): LinkAddress {
  const family = body[0] === AF_INET ? 4 : 6;
  const found = attributes(body.subarray(IFADDR_SIZE));
  const far = found.get(IFA_ADDRESS) ?? new Uint8Array(family === 4 ? 4 : 16);
  const near = found.get(IFA_LOCAL) ?? far;
  const prefix = body[1]!;
  if (near.every((byte, i) => byte === far[i])) return { local: { family, bytes: near, prefix } };
  return {
    local: { family, bytes: near, prefix: near.length * 8 },
    peer: { family, bytes: far, prefix },
  };
}

function packRoute(index: number, to: Cidr): Uint8Array {
  const head = new Uint8Array(RTMSG_SIZE);
  head[0] = to.family === 4 ? AF_INET : AF_INET6;
  head[1] = to.prefix;
  head[4] = RT_TABLE_MAIN;
  head[5] = RTPROT_STATIC;
  head[6] = to.family === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  head[7] = RTN_UNICAST;
  return concat(head, attribute(RTA_DST, to.bytes), attribute(RTA_OIF, u32(index)));
}

/** `index` is 0 for what is no plain route of the main table. */
function readRoute(body: Uint8Array): { to: Cidr; index: number } {
  const family = body[0] === AF_INET ? 4 : 6;
  const found = attributes(body.subarray(RTMSG_SIZE));
  const bytes = found.get(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16);
  const link = found.get(RTA_OIF);
  const isPlain = body[4] === RT_TABLE_MAIN && body[7] === RTN_UNICAST && link !== undefined;
  return {
    to: { family, bytes, prefix: body[1]! },
    index: isPlain ? view(link).getUint32(0, true) : 0,
  };
}

function readLink(body: Uint8Array): LinkState {
  const mtu = attributes(body.subarray(IFINFO_SIZE)).get(IFLA_MTU);
  return {
    index: view(body).getInt32(4, true),
    up: (view(body).getUint32(8, true) & IFF_UP) !== 0,
    mtu: mtu === undefined ? 0 : view(mtu).getUint32(0, true),
  };
}

/** A host-order u32 as an attribute's value. */
export function u32(value: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align4(length: number): number {
  return (length + 3) & ~3;
}
