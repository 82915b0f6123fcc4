import type { Cidr } from "../../src/base/addr.ts";
import { concat } from "../../src/base/bytes.ts";
import { attribute, attributes, view } from "./netlink_message.ts";
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

// Constants and layout of linux/if_addr.h.

/** struct ifaddrmsg: u8 family, prefix, flags, scope; u32 index */
export const IFADDR_SIZE = 8;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_F_NODAD = 0x02;

/** An address of a link; `peer` and its prefix name the other side of a point-to-point one. */
export interface LinkAddress {
  readonly local: Cidr;
  readonly peer?: Cidr | undefined;
}

export function packAddress(index: number, address: LinkAddress): Uint8Array {
  const { local, peer } = address;
  const head = new Uint8Array(IFADDR_SIZE);
  head[0] = local.family === 4 ? AF_INET : AF_INET6;
  head[1] = (peer ?? local).prefix;
  // duplicate address detection has no use on a point-to-point link
  head[2] = local.family === 6 ? IFA_F_NODAD : 0;
  view(head).setUint32(4, index, true);
  return concat(
    head,
    attribute(IFA_LOCAL, local.bytes),
    attribute(IFA_ADDRESS, (peer ?? local).bytes),
  );
}

export function readAddress(body: Uint8Array): LinkAddress {
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
