import { cString, NativeError } from "../native.ts";
import type { Libc } from "./libc.ts";
import { Netlink } from "./netlink.ts";
import { IFINFO_SIZE, IFLA_IFNAME } from "./netlink_link.ts";
import { attribute, attributes, RTM_GETLINK } from "./netlink_message.ts";

/** These constants are of linux/if_link.h. */
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_TUN_TYPE = 3;
const IFLA_TUN_NUM_QUEUES = 8;
/** This constant is of linux/if_tun.h. */
const IFF_TAP = 0x0002;

/** A network interface's kind by its driver (IFLA_LINKINFO; TUN details since Linux 4.17). */
export interface LinkKind {
  /** The driver's name: "tun", "veth", …; "tap" for a TUN driver's tap device. */
  readonly kind: string;
  /** Queues of a multi-queue TUN device that programs have attached to. */
  readonly queues?: number;
}

/** Returns null if the interface or its kind is unknown. */
export function linkKind(libc: Libc, name: string): LinkKind | null {
  using netlink = new Netlink(libc);
  const body = new Uint8Array([
    ...new Uint8Array(IFINFO_SIZE),
    ...attribute(IFLA_IFNAME, cString(name)),
  ]);
  try {
    for (const message of netlink.request(RTM_GETLINK, 0, body)) return readKind(message.body);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
  }
  return null;
}

export function readKind(body: Uint8Array): LinkKind | null {
  const info = attributes(body.subarray(IFINFO_SIZE)).get(IFLA_LINKINFO);
  if (info === undefined) return null;
  const facts = attributes(info);
  const word = facts.get(IFLA_INFO_KIND);
  if (word === undefined) return null;
  const kind = new TextDecoder().decode(word).replace(/\0+$/, "");
  if (kind !== "tun") return { kind };
  const data = attributes(facts.get(IFLA_INFO_DATA) ?? new Uint8Array());
  const queues = data.get(IFLA_TUN_NUM_QUEUES);
  return {
    kind: data.get(IFLA_TUN_TYPE)?.[0] === IFF_TAP ? "tap" : kind,
    ...(queues !== undefined && queues.length === 4 &&
      { queues: new DataView(queues.buffer, queues.byteOffset).getUint32(0, true) }),
  };
}
