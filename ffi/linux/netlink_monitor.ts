import type { Cidr } from "../../src/base/addr.ts";
import { check } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_NETLINK, NETLINK_ROUTE, SOCK_CLOEXEC, SOCK_RAW } from "./netlink.ts";
import { IFADDR_SIZE } from "./netlink_address.ts";
import { IFINFO_SIZE } from "./netlink_link.ts";
import {
  type NetlinkMessage,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWROUTE,
  unpackMessages,
  view,
} from "./netlink_message.ts";
import { readRoute, RT_TABLE_MAIN, RTMSG_SIZE } from "./netlink_route.ts";

// Notifications by rtnetlink's multicast groups (rtnetlink(7)).

const SOCK_NONBLOCK = 0o4000;
// struct sockaddr_nl: u16 family, u16 pad, u32 port, u32 groups
const SOCKADDR_NL_SIZE = 12;
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
/** Protocol of nfnetlink, and its group for changes of nftables (linux/netfilter/nfnetlink.h). */
const NETLINK_NETFILTER = 12;
const NFNLGRP_NFTABLES = 1 << (7 - 1);

const GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
  RTMGRP_IPV6_ROUTE;

/** A notification is a few hundred bytes; a longer datagram is truncated. */
const ROOM = 32 * 1024;

/**
 * A change of a link, an address or a route of the main table. `index` is the link's; it is
 * meaningless for a route that refuses packets.
 */
export interface NetChange {
  readonly what: "link" | "address" | "route";
  readonly index: number;
  readonly gone: boolean;
  readonly to?: Cidr;
}

/** Opens a non-blocking socket, without privilege. The caller owns it. @throws {NativeError} */
export function openNetlinkMonitor(libc: Libc): number {
  return openMonitor(libc, NETLINK_ROUTE, GROUPS);
}

/**
 * Opens a non-blocking socket that is told of changes of nftables, those of iptables-nft too. The
 * caller owns it. @throws {NativeError} EPERM without CAP_NET_ADMIN; a kernel without nftables
 */
export function openFilterMonitor(libc: Libc): number {
  return openMonitor(libc, NETLINK_NETFILTER, NFNLGRP_NFTABLES);
}

function openMonitor(libc: Libc, protocol: number, groups: number): number {
  const type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check("socket", libc.socket(AF_NETLINK, type, protocol));
  const address = new Uint8Array(SOCKADDR_NL_SIZE);
  view(address).setUint16(0, AF_NETLINK, true);
  view(address).setUint32(8, groups, true);
  const result = libc.bind(fd, address, address.length);
  if (result < 0) libc.close(fd);
  check("bind", result);
  return fd;
}

const room = new Uint8Array(ROOM);

/**
 * Returns null if none is waiting; "lost" if the kernel dropped some for lack of buffer space
 * (ENOBUFS, ENOMEM), so anything may have changed. @throws {NativeError}
 */
export function readNetChanges(libc: Libc, fd: number): NetChange[] | "lost" | null {
  const got = libc.recv(fd, room, 0);
  if (got === -Errno.EAGAIN) return null;
  if (got === -Errno.ENOBUFS || got === -Errno.ENOMEM) return "lost";
  return unpackMessages(room.subarray(0, check("recv", got))).map(readChange).filter((found) =>
    found !== null
  );
}

/** Drops a notification. Returns false if none is waiting. @throws {NativeError} */
export function skipChange(libc: Libc, fd: number): boolean {
  const got = libc.recv(fd, room, 0);
  if (got === -Errno.EAGAIN) return false;
  if (got !== -Errno.ENOBUFS && got !== -Errno.ENOMEM) check("recv", got);
  return true;
}

/** Returns null for other messages and for truncated ones. */
export function readChange({ type, body }: NetlinkMessage): NetChange | null {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      if (body.length < IFINFO_SIZE) return null;
      return { what: "link", index: view(body).getInt32(4, true), gone: type === RTM_DELLINK };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      if (body.length < IFADDR_SIZE) return null;
      const index = view(body).getUint32(4, true);
      return { what: "address", index, gone: type === RTM_DELADDR };
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      if (body.length < RTMSG_SIZE) return null;
      const { to, index, table, isUnicast, isRefusal } = readRoute(body);
      if (table !== RT_TABLE_MAIN || !(isUnicast || isRefusal)) return null;
      return { what: "route", index, gone: type === RTM_DELROUTE, to };
    }
    default:
      return null;
  }
}
