import { type Cidr, formatCidr, formatIp } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";
import type { Change, Step } from "./run_command.ts";

/** The smallest MTU that IPv6 runs on (RFC 8200 section 5). */
export const IPV6_MIN_MTU = 1280;

/** The step that gives an address to a device, or says why IPv6 cannot work on it. */
export function addressStep(
  device: string,
  mtu: number,
  address: Cidr,
  peer: Cidr | undefined,
  changes: readonly Change[],
): Step {
  const text = peer === undefined
    ? formatCidr(address)
    : `${formatIp(address.bytes)} peer ${formatCidr(peer)}`;
  const doing = `give ${device} the address ${text}`;
  if (address.family === 4 || mtu >= IPV6_MIN_MTU) return { doing, changes, address };
  return {
    doing,
    changes: [],
    address,
    refusal: new TtunError(
      "usage",
      `Cannot ${doing}: IPv6 needs an MTU of at least ${IPV6_MIN_MTU}; ` +
        "raise --mtu or name IPv4 addresses only, with --address",
    ),
  };
}

/** An address that has a peer stands for itself alone (--peer-address). */
export function withPeer(
  local: Cidr,
  peers: readonly Cidr[],
): { local: Cidr; peer: Cidr | undefined } {
  const peer = peers.find(({ family }) => family === local.family);
  return {
    local: peer === undefined ? local : { ...local, prefix: local.bytes.length * 8 },
    peer,
  };
}
