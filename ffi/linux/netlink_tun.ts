import { IFINFO_SIZE, IFLA_IFALIAS, type LinkState, readLink } from "./netlink_link.ts";
import { attributes } from "./netlink_message.ts";

/** These constants are of linux/if_link.h and linux/if_tun.h. */
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_TUN_OWNER = 1;
const IFLA_TUN_TYPE = 3;
const IFLA_TUN_PERSIST = 6;
const IFF_TUN = 0x0001;

/** A TUN device that stays without a program; its carrier is there while a program has it open. */
export interface TunLink extends LinkState {
  /** Words that only an administrator can give a link; empty if there are none. */
  readonly alias: string;
  /** The number of the user that may open it; null = root alone. */
  readonly owner: number | null;
}

/** Returns null for every other link, and from a kernel before Linux 4.17. */
export function readTunLink(body: Uint8Array): TunLink | null {
  const found = attributes(body.subarray(IFINFO_SIZE));
  const info = attributes(found.get(IFLA_LINKINFO) ?? EMPTY);
  const data = attributes(info.get(IFLA_INFO_DATA) ?? EMPTY);
  const isTun = text(info.get(IFLA_INFO_KIND)) === "tun" &&
    data.get(IFLA_TUN_TYPE)?.[0] === IFF_TUN;
  if (!isTun || data.get(IFLA_TUN_PERSIST)?.[0] !== 1) return null;
  const owner = data.get(IFLA_TUN_OWNER);
  return {
    ...readLink(body),
    alias: text(found.get(IFLA_IFALIAS)),
    owner: owner?.length === 4
      ? new DataView(owner.buffer, owner.byteOffset).getUint32(0, true)
      : null,
  };
}

const EMPTY: Uint8Array = new Uint8Array();

function text(bytes = EMPTY): string {
  return new TextDecoder().decode(bytes).replace(/\0+$/, "");
}
