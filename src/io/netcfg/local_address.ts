import { type Cidr, formatCidr, formatIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { IPV6_MIN_MTU } from "../../contract/device.ts";

/** An address of a device; one with a peer (--peer-address) has no network of its own. */
export interface LocalAddress {
  local: Cidr;
  peer?: Cidr | undefined;
}

/** Pairs an address with the peer of its family, if any. */
export function withPeer(local: Cidr, peers: readonly Cidr[]): LocalAddress {
  const peer = peers.find(({ family }) => family === local.family);
  return peer === undefined
    ? { local }
    : { local: { ...local, prefix: local.bytes.length * 8 }, peer };
}

/** Formats it like `ip address add`. */
export function addressText({ local, peer }: LocalAddress): string {
  return peer === undefined
    ? formatCidr(local)
    : `${formatIp(local.bytes)} peer ${formatCidr(peer)}`;
}

/** Returns why the address cannot work with that MTU (in bytes), or null. */
export function refuseForMtu(device: string, address: LocalAddress, mtu: number): TtunError | null {
  if (address.local.family === 4 || mtu >= IPV6_MIN_MTU) return null;
  return new TtunError(
    "usage",
    `Cannot give ${device} the address ${addressText(address)}: IPv6 needs an MTU of at least ` +
      `${IPV6_MIN_MTU}; raise --mtu or name IPv4 addresses only, with --address`,
  );
}
