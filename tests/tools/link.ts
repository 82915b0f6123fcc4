/**
 * A veth pair between two network namespaces, and addresses, without the `ip` program:
 *
 *     link.ts pair NAME PID      from this namespace to the one that PID lives in
 *     link.ts up NAME CIDR...    gives addresses and brings it up; `lo` too
 */
import { parseCidr } from "../../src/base/addr.ts";
import { concat } from "../../src/base/bytes.ts";
import { type Libc, openLibc } from "../../ffi/linux/libc.ts";
import { cString } from "../../ffi/native.ts";
import { Netlink } from "../../ffi/linux/netlink.ts";
import { attribute, RTM_NEWLINK, u32 } from "../../ffi/linux/netlink_message.ts";

/** linux/if_link.h, linux/veth.h, linux/netlink.h */
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_PID = 19;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const IFINFO_SIZE = 16;

/** Makes a veth pair called `name` at both ends, the other one in the namespace of process `pid`. */
export function makePair(libc: Libc, name: string, pid: number): void {
  using netlink = new Netlink(libc);
  const named = attribute(IFLA_IFNAME, cString(name));
  const peer = concat(new Uint8Array(IFINFO_SIZE), named, attribute(IFLA_NET_NS_PID, u32(pid)));
  const info = concat(
    attribute(IFLA_INFO_KIND, cString("veth")),
    attribute(IFLA_INFO_DATA, attribute(VETH_INFO_PEER, peer)),
  );
  const body = concat(new Uint8Array(IFINFO_SIZE), named, attribute(IFLA_LINKINFO, info));
  netlink.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body);
}

/** Gives a link its addresses and brings it and the loopback up. */
export function bringUp(libc: Libc, name: string, addresses: readonly string[]): void {
  using netlink = new Netlink(libc);
  netlink.setLink(netlink.link("lo").index, { up: true });
  const { index } = netlink.link(name);
  for (const address of addresses) netlink.addAddress(index, { local: parseCidr(address) });
  netlink.setLink(index, { up: true });
}

if (import.meta.main) {
  using libc = openLibc();
  const [verb, name, ...rest] = Deno.args;
  if (verb === "pair") makePair(libc, name!, Number(rest[0]));
  else bringUp(libc, name!, rest);
}
