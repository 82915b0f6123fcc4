/** Networks of more hosts than two, and slow ones. */
import { Host, linkHosts } from "./netns.ts";

/**
 * Makes what the host sends there leave at that rate, in order; the link keeps 50 ms of it and
 * drops the rest.
 */
export async function slowLink(host: Host, ifname: string, mbits: number): Promise<void> {
  await host.sh(`tc qdisc add dev ${ifname} root tbf rate ${mbits}mbit burst 64kb latency 50ms`);
}

/**
 * A new host whose only way is by a gateway, which forwards: the gateway has 10.NET.0.1/24 and
 * fdNET::1/64 on its `eth0`, the host 10.NET.0.2/24 and fdNET::2/64.
 */
export async function hostBehind(gateway: Host, net: string): Promise<Host> {
  await using cleanup = new AsyncDisposableStack();
  const host = cleanup.use(await Host.create());
  await linkHosts(gateway, host, {
    ifname: "eth0",
    v4: [`10.${net}.0.1/24`, `10.${net}.0.2/24`],
    v6: [`fd${net}::1/64`, `fd${net}::2/64`],
  });
  await host.sh(`
    ip route add default via 10.${net}.0.1
    ip route add default via fd${net}::1`);
  await forward(gateway);
  cleanup.move();
  return host;
}

/** Has the host pass packets on. */
export async function forward(host: Host): Promise<void> {
  await host.sh(`
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding`);
}

export interface RoutedHosts extends AsyncDisposable {
  /** Has 192.0.2.1 and 2001:db8::1. */
  readonly server: Host;
  /** Forwards between the others; 192.0.2.254 and 2001:db8::fe. */
  readonly router: Host;
  /** 10.51.0.2 and fd51::2 on `eth0`, 10.52.0.2 and fd52::2 on `eth1`, which has no default route. */
  readonly client: Host;
}

/** A server, and a client with two links to a router before it. The server has no route to it. */
export async function routedHosts(): Promise<RoutedHosts> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  const router = cleanup.use(await Host.create());
  await linkHosts(server, router, {
    v4: ["192.0.2.1/24", "192.0.2.254/24"],
    v6: ["2001:db8::1/64", "2001:db8::fe/64"],
  });
  const client = cleanup.use(await hostBehind(router, "51"));
  await linkHosts(router, client, {
    ifname: "eth1",
    v4: ["10.52.0.1/24", "10.52.0.2/24"],
    v6: ["fd52::1/64", "fd52::2/64"],
  });
  const kept = cleanup.move();
  return { server, router, client, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

export interface BridgedHosts extends AsyncDisposable {
  readonly server: Host;
  readonly clients: readonly Host[];
}

/**
 * A server and `count` clients on its bridge: it has 192.0.2.1/24, they 192.0.2.2/24 and on. The
 * server forwards.
 */
export async function bridgedHosts(count: number): Promise<BridgedHosts> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  await server.sh(`
    ip link add br0 type bridge
    ip addr add 192.0.2.1/24 dev br0
    ip link set br0 up`);
  await forward(server);
  const clients: Host[] = [];
  for (let i = 0; i < count; i++) {
    const client = cleanup.use(await Host.create());
    const ifname = `veth${i}`;
    await linkHosts(server, client, { ifname });
    await server.sh(`ip link set ${ifname} master br0`);
    await client.sh(`ip addr add 192.0.2.${i + 2}/24 dev ${ifname}`);
    clients.push(client);
  }
  const kept = cleanup.move();
  return { server, clients, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
