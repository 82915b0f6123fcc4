/** client – router – server; the way between the two ends is the router's to spoil. Root only. */
import { Host, linkHosts } from "../netns.ts";
import { forward } from "../networks.ts";

export const SERVER = { v4: "198.51.100.2", v6: "2001:db8:2::2" };

export interface RoutedPath extends AsyncDisposable {
  readonly server: Host;
  readonly client: Host;
  readonly router: Host;
}

export async function routedPath(): Promise<RoutedPath> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(await Host.create());
  const router = stack.use(await Host.create());
  const server = stack.use(await Host.create());
  await linkHosts(client, router, {
    v4: ["192.0.2.2/24", "192.0.2.1/24"],
    v6: ["2001:db8:1::2/64", "2001:db8:1::1/64"],
    ifname: "near0",
  });
  await linkHosts(router, server, {
    v4: ["198.51.100.1/24", "198.51.100.2/24"],
    v6: ["2001:db8:2::1/64", "2001:db8:2::2/64"],
    ifname: "far0",
  });
  await client.sh("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:1::1");
  await server.sh(
    "ip route add default via 198.51.100.1; ip -6 route add default via 2001:db8:2::1",
  );
  await forward(router);
  const owned = stack.move();
  return { server, client, router, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Has the router drop what is longer than so many bytes, either way. It is the kernel's own
 * forwarding that drops: super-packets are judged by their segments.
 */
export async function limitPackets({ router }: RoutedPath, mtu: number): Promise<void> {
  await router.sh(`
    ip route add 192.0.2.2/32 dev near0 mtu lock ${mtu}
    ip route add 198.51.100.2/32 dev far0 mtu lock ${mtu}
    ip -6 route add 2001:db8:1::2/128 dev near0 mtu lock ${mtu}
    ip -6 route add 2001:db8:2::2/128 dev far0 mtu lock ${mtu}`);
}

/** Has the router say nothing of packets that are too long. */
export async function silenceRouter({ router }: RoutedPath): Promise<void> {
  await router.sh(`
    iptables -w -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP
    ip6tables -w -A OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j DROP`);
}
