/** Two hosts behind a NAT or firewall each, and a server beside these that both can reach. */
import { guard, type NatKind } from "./nat_lab.ts";
import { Host, linkHosts } from "./netns.ts";
import { hostBehind } from "./networks.ts";

/** Of the Internet, as nobody dials addresses that are for documentation. */
export const VIA = "9.9.9.100";
export const ENDS = ["9.9.9.1", "9.9.9.2"] as const;

export interface ViaLab extends AsyncDisposable {
  /** Has the address VIA. */
  readonly server: Host;
  /** Hosts with the public addresses ENDS of the same number, their own or their NAT's. */
  readonly hosts: readonly [Host, Host];
  /** The NATs and firewalls; of an open end the host itself. */
  readonly edges: readonly [Host, Host];
}

export async function viaLab(...kinds: [NatKind, NatKind]): Promise<ViaLab> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  await server.sh(`
    ip link add br0 type bridge
    ip addr add ${VIA}/24 dev br0
    ip link set br0 up`);
  const [edges, hosts]: [Host[], Host[]] = [[], []];
  for (const [i, kind] of kinds.entries()) {
    const edge = cleanup.use(await Host.create());
    const ifname = `veth${i}`;
    await linkHosts(server, edge, { ifname });
    await server.sh(`ip link set ${ifname} master br0`);
    await edge.sh(`
      ip link set ${ifname} down
      ip link set ${ifname} name wan
      ip addr add ${ENDS[i]}/24 dev wan
      ip link set wan up`);
    await guard(edge, kind);
    edges.push(edge);
    const isEdge = kind === "open" || kind === "firewall";
    hosts.push(isEdge ? edge : cleanup.use(await hostBehind(edge, `6${i}`)));
  }
  const kept = cleanup.move();
  return {
    server,
    hosts: hosts as [Host, Host],
    edges: edges as [Host, Host],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
