/** Two hosts behind a NAT or firewall each, and a server beside these that both can reach. */
import { hostGuarded, type NatKind } from "./nat_lab.ts";
import { Host, linkHosts } from "./netns.ts";

/** Of the Internet, as nobody dials addresses that are for documentation. */
export const VIA = "9.9.9.100";
export const ENDS = ["9.9.9.1", "9.9.9.2"] as const;
export const VIA_V6 = "2620:fe::100";
export const ENDS_V6 = ["2620:fe::1", "2620:fe::2"] as const;

export interface ViaLab extends AsyncDisposable {
  /** Has the addresses VIA and VIA_V6. */
  readonly server: Host;
  /** Hosts with the public addresses ENDS of the same number, their own or their NAT's, or ENDS_V6. */
  readonly hosts: readonly [Host, Host];
}

export async function viaLab(...kinds: [NatKind, NatKind]): Promise<ViaLab> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  await server.sh(`
    ip link add br0 type bridge
    ip addr add ${VIA}/24 dev br0
    ip addr add ${VIA_V6}/64 dev br0 nodad
    ip link set br0 up`);
  const hosts: Host[] = [];
  for (const [i, kind] of kinds.entries()) {
    const edge = cleanup.use(await Host.create());
    const ifname = `veth${i}`;
    await linkHosts(server, edge, { ifname });
    await server.sh(`ip link set ${ifname} master br0`);
    await edge.sh(`
      ip link set ${ifname} down
      ip link set ${ifname} name wan
      ip addr add ${kind === "ipv6-firewall" ? `${ENDS_V6[i]}/64` : `${ENDS[i]}/24`} dev wan
      ip link set wan up`);
    const host = await hostGuarded(edge, kind, 60 + i);
    hosts.push(host === edge ? host : cleanup.use(host));
  }
  const kept = cleanup.move();
  return {
    server,
    hosts: hosts as [Host, Host],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
