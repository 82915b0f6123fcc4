/** A network behind each end of a tunnel, so that both ends forward and nothing ends in them. */
import { Host, linkHosts, type TwoHosts, twoHosts } from "../netns.ts";

const NO_CHECKSUMS = new URL("./no_checksums.ts", import.meta.url).pathname;

export interface FourHosts extends AsyncDisposable, TwoHosts {
  /** Behind the client, and behind the server; each has its gateway on `eth0`. */
  readonly left: Host;
  readonly right: Host;
}

/** Addresses of the hosts behind, and which routes the ends need for them. */
export const LEFT = { v4: "10.20.0.2", v6: "fd20::2", routes: ["10.20.0.0/24", "fd20::/64"] };
export const RIGHT = { v4: "10.30.0.2", v6: "fd30::2", routes: ["10.30.0.0/24", "fd30::/64"] };

/**
 * left – client – server – right. The hosts behind send super-packets with open checksums, as any
 * Linux host does to a good network card; to them only whole packets can be sent, as by a poor one.
 */
export async function fourHosts(): Promise<FourHosts> {
  await using stack = new AsyncDisposableStack();
  const { server, client } = stack.use(await twoHosts());
  const left = stack.use(await Host.create());
  const right = stack.use(await Host.create());
  await Promise.all([join(client, left, "20"), join(server, right, "30")]);
  const owned = stack.move();
  return { server, client, left, right, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function join(gateway: Host, host: Host, net: string): Promise<void> {
  await linkHosts(gateway, host, {
    ifname: "eth0",
    v4: [`10.${net}.0.1/24`, `10.${net}.0.2/24`],
    v6: [`fd${net}::1/64`, `fd${net}::2/64`],
  });
  await host.sh(`
    ip link set eth0 mtu 1280
    ip route add default via 10.${net}.0.1
    ip route add default via fd${net}::1`);
  await gateway.sh(`
    ip link set eth0 mtu 1280
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    '${Deno.execPath()}' run -A '${NO_CHECKSUMS}' eth0`);
}
