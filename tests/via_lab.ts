/** Two hosts behind a NAT or firewall each, and a server beside these that both can reach. */
import { startEmulator } from "./emulated_path.ts";
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

/** Addresses of the end with that number, with their prefixes. */
function addressOf(kind: NatKind, number: number): string {
  return kind === "ipv6-firewall" ? `${ENDS_V6[number]}/64` : `${ENDS[number]}/24`;
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
      ip addr add ${addressOf(kind, i)} dev wan
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

/**
 * Makes such a lab with the server in the middle of a path on which a packet takes `delayMs` from one
 * end to the other. `emulator`: of `buildEmulator`.
 */
export async function distantLab(
  emulator: string,
  delayMs: number,
  ...kinds: [NatKind, NatKind]
): Promise<ViaLab> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  await server.sh(`
    ip addr add ${VIA}/32 dev lo
    ip addr add ${VIA_V6}/128 dev lo nodad
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding`);
  const hosts: Host[] = [];
  for (const [i, kind] of kinds.entries()) {
    const edge = cleanup.use(await Host.create());
    const ifname = `path${i}`;
    const path = { delayMs: delayMs / 2, lossPercent: 0, rateMbits: 1000, queueMs: 100 };
    const ends = [{ host: server, ifname }, { host: edge, ifname: "wan" }] as const;
    cleanup.use(await startEmulator(emulator, ends, path));
    await server.sh(`
      ip route add ${ENDS[i]} dev ${ifname}
      ip route add ${ENDS_V6[i]} dev ${ifname}`);
    await edge.sh(`ip addr add ${addressOf(kind, i)} dev wan`);
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
