import { type Cidr, formatIp, networkOf } from "../../base/addr.ts";
import { covers } from "../../base/prefix.ts";

export interface LocalAddress {
  readonly link: string;
  readonly address: Cidr;
}

/**
 * Warns of a tunnel to this machine itself: its local addresses never enter the tunnel. `others`:
 * addresses of all other links. Null where none is in a network of the tunnel.
 */
export function bothEndsHere(own: readonly Cidr[], others: readonly LocalAddress[]): string | null {
  const networks = own.map(networkOf);
  const found = others.filter(({ address }) =>
    networks.some((network) => covers(network, address.bytes))
  );
  if (found.length === 0) return null;
  const names = found.map(({ link, address }) => `${formatIp(address.bytes)} of ${link}`);
  return `both ends of the tunnel are on this machine: what is sent to ${
    names.join(" or ")
  } goes ` +
    "over loopback, not through the tunnel, and a ping of it says nothing; for a trial put one " +
    "end into another machine or network namespace";
}
