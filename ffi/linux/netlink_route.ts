import type { Cidr } from "../../src/base/addr.ts";
import { concat } from "../../src/base/bytes.ts";
import type { ErrnoName } from "./errno.ts";
import { attribute, attributes, u32, view } from "./netlink_message.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

// Constants and layout of linux/rtnetlink.h.

// struct rtmsg: u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags
export const RTMSG_SIZE = 12;

const RTA_DST = 1;
const RTA_SRC = 2;
export const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
export const RTA_TABLE = 15;
const RTA_MARK = 16;
const RTA_VIA = 18;
const RT_TABLE_UNSPEC = 0;
export const RT_TABLE_MAIN = 254;
/** Marks routes that the kernel adds with an address and removes with it. */
export const RTPROT_KERNEL = 2;
const RTPROT_STATIC = 4;
/** The kernel, by a router's advertisement. */
export const RTPROT_RA = 9;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const RTN_BLACKHOLE = 6;
const RTN_UNREACHABLE = 7;
const RTN_THROW = 9; // 8 is prohibit
const RTM_F_FIB_MATCH = 0x2000;
const RTNH_F_DEAD = 0x1;
const RTNH_F_ONLINK = 0x4;
const NEXTHOP_SIZE = 8; // struct rtnexthop: u16 length, u8 flags, u8 hops, i32 index; then attributes

export interface NextHop {
  /** The link's index; 0 for a route that refuses packets. */
  readonly index: number;
  /** An address of the route's family; absent if the target is on the link itself. */
  readonly gateway?: Uint8Array | undefined;
  /** RTA_VIA: a gateway of the other family. */
  readonly via?: Uint8Array | undefined;
  /** The gateway is on the link although it is in none of the link's networks. */
  readonly onLink: boolean;
  readonly source?: Uint8Array | undefined;
}

export interface Route extends NextHop {
  readonly to: Cidr;
  readonly table: number;
  /** 0 means all packets; otherwise the route is for those with this type of service. */
  readonly tos: number;
  /** The lowest metric wins among routes with the same target. */
  readonly metric: number;
  /** RTPROT_…, by the kind of program that added the route */
  readonly protocol: number;
  readonly isUnicast: boolean;
  /** The route refuses packets: blackhole, unreachable, prohibit or throw. */
  readonly isRefusal: boolean;
  /** The target is an address of this machine. */
  readonly isLocal: boolean;
  /** RTN_UNREACHABLE or RTN_THROW, for a route that refuses packets in one of these ways. */
  readonly refusal?: RouteRefusal | undefined;
  /** The kernel ignores the route because its link is down. */
  readonly isDead: boolean;
}

/**
 * Ways of a route that leads to no link: packets are refused with an error, or the rules behind the
 * one that led to the table go on (throw).
 */
export type RouteRefusal = "unreachable" | "throw";

const REFUSAL_TYPES: Readonly<Record<RouteRefusal, number>> = {
  unreachable: RTN_UNREACHABLE,
  throw: RTN_THROW,
};

/** A route to add. Without a metric the kernel chooses it. */
export interface NewRoute extends Partial<NextHop> {
  /** 0 with `refusal`. */
  readonly index: number;
  readonly refusal?: RouteRefusal | undefined;
  /** Default: the main table. */
  readonly table?: number | undefined;
  readonly to: Cidr;
  readonly metric?: number | undefined;
  /** The route's origin; RTPROT_STATIC by default. */
  readonly protocol?: number | undefined;
}

export const LOOKUP_FAILURES: readonly ErrnoName[] = [
  "ENETUNREACH",
  "EHOSTUNREACH",
  "EACCES",
  "EINVAL",
  "EAFNOSUPPORT",
  "EOPNOTSUPP",
];

export function packRoute(route: NewRoute): Uint8Array {
  const { to, index, gateway, via, source, metric, onLink, refusal, table = RT_TABLE_MAIN } = route;
  const head = new Uint8Array(RTMSG_SIZE);
  head[0] = familyOf(to.bytes);
  head[1] = to.prefix;
  head[4] = table < 256 ? table : RT_TABLE_UNSPEC;
  head[5] = route.protocol ?? RTPROT_STATIC;
  // The kernel looks gateways of new routes up with a scope, and passes over wider ones.
  const isDirect = gateway === undefined && via === undefined;
  head[6] = to.family === 4 && isDirect ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  head[7] = refusal === undefined ? RTN_UNICAST : REFUSAL_TYPES[refusal];
  view(head).setUint32(8, onLink === true ? RTNH_F_ONLINK : 0, true);
  const optional = (type: number, value: Uint8Array | undefined) =>
    value === undefined ? new Uint8Array() : attribute(type, value);
  return concat(
    head,
    attribute(RTA_DST, to.bytes),
    optional(RTA_GATEWAY, gateway),
    optional(RTA_VIA, via),
    optional(RTA_PREFSRC, source),
    refusal === undefined ? attribute(RTA_OIF, u32(index)) : new Uint8Array(),
    optional(RTA_PRIORITY, metric === undefined ? undefined : u32(metric)),
    table < 256 ? new Uint8Array() : attribute(RTA_TABLE, u32(table)),
  );
}

export interface Lookup {
  /** One of this machine's addresses; the kernel then chooses none. */
  readonly from?: Uint8Array | undefined;
  /** The mark of the packets (SO_MARK), which rules may ask for. */
  readonly mark?: number | undefined;
  /** Return the matching table entry, not the resolved route. */
  readonly match?: boolean;
}

export function packLookup(address: Uint8Array, { from, mark, match }: Lookup): Uint8Array {
  const head = new Uint8Array(RTMSG_SIZE);
  head[0] = familyOf(address);
  head[1] = address.length * 8;
  head[2] = (from?.length ?? 0) * 8;
  view(head).setUint32(8, match === true ? RTM_F_FIB_MATCH : 0, true);
  const source = from === undefined ? new Uint8Array() : attribute(RTA_SRC, from);
  const marked = mark === undefined ? new Uint8Array() : attribute(RTA_MARK, u32(mark));
  return concat(head, attribute(RTA_DST, address), source, marked);
}

/** Returns the first next hop that is alive, if there are several. */
export function readRoute(body: Uint8Array): Route {
  const family = body[0] === AF_INET ? 4 : 6;
  const found = attributes(body.subarray(RTMSG_SIZE));
  const bytes = found.get(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16);
  const several = found.get(RTA_MULTIPATH);
  const isInternet = body[0] === AF_INET || body[0] === AF_INET6;
  const hop = several === undefined
    ? readHop(found, view(body).getUint32(8, true), number(found.get(RTA_OIF)))
    : readHops(several);
  return {
    ...hop,
    source: found.get(RTA_PREFSRC),
    to: { family, bytes, prefix: body[1]! },
    table: found.has(RTA_TABLE) ? number(found.get(RTA_TABLE)) : body[4]!,
    tos: body[3]!,
    metric: number(found.get(RTA_PRIORITY)),
    protocol: body[5]!,
    isUnicast: isInternet && body[7] === RTN_UNICAST,
    isRefusal: isInternet && body[7]! >= RTN_BLACKHOLE && body[7]! <= RTN_THROW,
    isLocal: body[7] === RTN_LOCAL,
    ...(isInternet && body[7] === RTN_UNREACHABLE && { refusal: "unreachable" as const }),
    ...(isInternet && body[7] === RTN_THROW && { refusal: "throw" as const }),
  };
}

type Hop = Omit<NextHop, "source"> & Pick<Route, "isDead">;

function readHop(found: Map<number, Uint8Array>, flags: number, index: number): Hop {
  return {
    index,
    gateway: found.get(RTA_GATEWAY),
    via: found.get(RTA_VIA),
    onLink: (flags & RTNH_F_ONLINK) !== 0,
    isDead: (flags & RTNH_F_DEAD) !== 0,
  };
}

function readHops(bytes: Uint8Array): Hop {
  let first: Hop | null = null;
  for (let at = 0; at + NEXTHOP_SIZE <= bytes.length;) {
    const length = view(bytes).getUint16(at, true);
    if (length < NEXTHOP_SIZE || at + length > bytes.length) break;
    const found = attributes(bytes.subarray(at + NEXTHOP_SIZE, at + length));
    const hop = readHop(found, bytes[at + 2]!, view(bytes).getInt32(at + 4, true));
    if (!hop.isDead) return hop;
    first ??= hop;
    at += (length + 3) & ~3;
  }
  return first ?? readHop(new Map(), 0, 0);
}

function number(value: Uint8Array | undefined): number {
  return value === undefined || value.length < 4 ? 0 : view(value).getUint32(0, true);
}

function familyOf(address: Uint8Array): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}
