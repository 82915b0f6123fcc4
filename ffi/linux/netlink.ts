import { concat } from "../../src/base/bytes.ts";
import { check, cString, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { IFADDR_SIZE, type LinkAddress, packAddress, readAddress } from "./netlink_address.ts";
import {
  IFINFO_SIZE,
  IFLA_IFNAME,
  type LinkChange,
  type LinkState,
  packLink,
  readLink,
} from "./netlink_link.ts";
import {
  attribute,
  type NetlinkMessage,
  packMessage,
  RTM_DELADDR,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_GETROUTE,
  RTM_GETRULE,
  RTM_NEWADDR,
  RTM_NEWROUTE,
  RTM_NEWRULE,
  RTM_SETLINK,
  u32,
  unpackMessages,
  view,
} from "./netlink_message.ts";
import {
  type Lookup,
  LOOKUP_FAILURES,
  type NewRoute,
  packLookup,
  packRoute,
  readRoute,
  type Route,
  RT_TABLE_MAIN,
  RTA_OIF,
  RTA_TABLE,
  RTMSG_SIZE,
} from "./netlink_route.ts";
import { readTunLink, type TunLink } from "./netlink_tun.ts";
import { packRule, readRule, type Rule, RULE_SIZE } from "./netlink_rule.ts";

/** The rtnetlink protocol (RFC 3549; linux/netlink.h); layouts are in the other netlink files. */
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
const NETLINK_GET_STRICT_CHK = 12; // since Linux 4.20

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

const EMPTY = new Uint8Array();

/**
 * When a route with that target and metric exists, `only` fails with EEXIST; `before` keeps both
 * and gives the new one preference (IPv4).
 */
export type RouteMode = "only" | "before";

const ROUTE_FLAGS: Readonly<Record<RouteMode, number>> = {
  only: NLM_F_CREATE | NLM_F_EXCL,
  before: NLM_F_CREATE,
};

const LIST_ATTEMPTS = 4;

/** Every call blocks until the kernel answers, which it does at once. */
export class Netlink implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #answer = new Uint8Array(64 * 1024);
  #sequence = 0;

  /** @throws {NativeError} */
  constructor(libc: Libc) {
    this.#libc = libc;
    const type = SOCK_RAW | SOCK_CLOEXEC;
    this.#fd = check("socket", libc.socket(AF_NETLINK, type, NETLINK_ROUTE));
    // Older kernels send entries that were not asked for; they are filtered here.
    libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32(1));
  }

  /** @throws {NativeError} ENODEV if there is no such link */
  link(which: string | number): LinkState {
    const head = new Uint8Array(IFINFO_SIZE);
    if (typeof which === "number") view(head).setInt32(4, which, true);
    const name = typeof which === "string" ? attribute(IFLA_IFNAME, cString(which)) : EMPTY;
    const body = concat(head, name);
    for (const message of this.request(RTM_GETLINK, 0, body)) return readLink(message.body);
    throw new NativeError("RTM_GETLINK", Errno.ENODEV);
  }

  /** Returns TUN devices that stay without a program. */
  tunLinks(): TunLink[] {
    return this.#list(RTM_GETLINK, new Uint8Array(IFINFO_SIZE))
      .map(({ body }) => readTunLink(body)).filter((link) => link !== null);
  }

  /**
   * `mtu` and `gsoMaxSize` (largest GSO packet from the kernel) are in bytes, `queueLength` in
   * packets.
   * @throws {NativeError} EPERM, EINVAL (an MTU or size that the device does not support)
   */
  setLink(index: number, change: LinkChange): void {
    this.request(RTM_SETLINK, 0, packLink(index, change));
  }

  addresses(index: number): LinkAddress[] {
    const head = new Uint8Array(IFADDR_SIZE);
    view(head).setUint32(4, index, true);
    return this.#list(RTM_GETADDR, head)
      .filter((message) => view(message.body).getUint32(4, true) === index)
      .map((message) => readAddress(message.body));
  }

  allAddresses(): (LinkAddress & { readonly index: number })[] {
    return this.#list(RTM_GETADDR, new Uint8Array(IFADDR_SIZE)).map(({ body }) => ({
      ...readAddress(body),
      index: view(body).getUint32(4, true),
    }));
  }

  /** @throws {NativeError} EPERM, EEXIST, EACCES and EOPNOTSUPP (IPv6 switched off) */
  addAddress(index: number, address: LinkAddress): void {
    this.request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, packAddress(index, address));
  }

  /** @throws {NativeError} EPERM, EADDRNOTAVAIL */
  removeAddress(index: number, address: LinkAddress): void {
    this.request(RTM_DELADDR, 0, packAddress(index, address));
  }

  /** Returns unicast routes of the main table; with `index`, only those to this link. */
  routes(index?: number): Route[] {
    return this.allRoutes(index).filter(({ isUnicast }) => isUnicast);
  }

  /** Returns the routes of this table, of whatever kind. */
  tableRoutes(table: number): Route[] {
    const head = new Uint8Array(RTMSG_SIZE);
    return this.#list(RTM_GETROUTE, concat(head, attribute(RTA_TABLE, u32(table))))
      .map((message) => readRoute(message.body))
      .filter((route) => route.table === table);
  }

  /** Returns an empty list from a kernel without rules (CONFIG_IP_MULTIPLE_TABLES). */
  rules(): Rule[] {
    try {
      return this.#list(RTM_GETRULE, new Uint8Array(RULE_SIZE))
        .map(({ body }) => readRule(body)).filter((rule) => rule !== null);
    } catch (error) {
      if (error instanceof NativeError && error.is("EOPNOTSUPP", "EAFNOSUPPORT")) return [];
      throw error;
    }
  }

  /** @throws {NativeError} EPERM, EEXIST */
  addRule(rule: Rule): void {
    this.request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, packRule(rule));
  }

  /** @throws {NativeError} EPERM, ENOENT */
  removeRule(rule: Rule): void {
    this.request(RTM_DELRULE, 0, packRule(rule));
  }

  /** Includes routes that refuse packets (on no link); in the kernel's order of preference. */
  allRoutes(index?: number): Route[] {
    const head = new Uint8Array(RTMSG_SIZE);
    head[4] = RT_TABLE_MAIN;
    const link = index === undefined ? EMPTY : attribute(RTA_OIF, u32(index));
    return this.#list(RTM_GETROUTE, concat(head, link))
      .map((message) => readRoute(message.body))
      .filter(({ table }) => table === RT_TABLE_MAIN)
      .filter((route) => route.isRefusal || (route.isUnicast && route.index !== 0))
      .filter((route) => index === undefined || (route.isUnicast && route.index === index));
  }

  /**
   * Returns the kernel's route for this address (4 or 16 bytes), with the source address that the
   * packets get; null if there is none.
   */
  lookup(address: Uint8Array, o: Lookup = {}): Route | null {
    try {
      const body = packLookup(address, o);
      for (const message of this.request(RTM_GETROUTE, 0, body)) return readRoute(message.body);
    } catch (error) {
      if (!(error instanceof NativeError && error.is(...LOOKUP_FAILURES))) throw error;
    }
    return null;
  }

  /** @throws {NativeError} EPERM, EEXIST, ENETDOWN (the link is down), ENETUNREACH (its gateway) */
  addRoute(route: NewRoute, mode: RouteMode = "only"): void {
    this.request(RTM_NEWROUTE, ROUTE_FLAGS[mode], packRoute(route));
  }

  /** @throws {NativeError} EPERM, ESRCH */
  removeRoute(route: NewRoute): void {
    this.request(RTM_DELROUTE, 0, packRoute(route));
  }

  /** Asks again if the list changed meanwhile (NLM_F_DUMP_INTR). */
  #list(type: number, body: Uint8Array): NetlinkMessage[] {
    for (let left = LIST_ATTEMPTS;; left--) {
      const found = this.request(type, NLM_F_DUMP, body);
      const isWhole = found.every(({ flags }) => (flags & NLM_F_DUMP_INTR) === 0);
      if (isWhole || left === 1) return found;
    }
  }

  /**
   * Returns the messages received before the acknowledgement.
   * @throws {NativeError} with the errno that the kernel answers
   */
  request(type: number, flags: number, body: Uint8Array): NetlinkMessage[] {
    const sequence = ++this.#sequence;
    const bytes = packMessage(type, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, body);
    check("send", this.#libc.send(this.#fd, bytes, 0));
    const found: NetlinkMessage[] = [];
    for (;;) {
      const size = check("recv", this.#libc.recv(this.#fd, this.#answer, 0));
      for (const message of unpackMessages(this.#answer.slice(0, size))) {
        if (message.sequence !== sequence) continue; // late answer to a request that failed midway
        if (message.type === NLMSG_DONE) return found;
        if (message.type !== NLMSG_ERROR || message.body.length < 4) found.push(message);
        else {
          check(`rtnetlink ${type}`, view(message.body).getInt32(0, true));
          return found;
        }
      }
    }
  }

  [Symbol.dispose](): void {
    this.#libc.close(this.#fd);
  }
}
