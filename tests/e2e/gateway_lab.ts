/** A client that sends all of its traffic through a tunnel, and what its uplink sees of it. */
import type { Host, Process } from "../netns.ts";
import { type RoutedHosts, routedHosts } from "../networks.ts";
import { ENV, pause, pingUntil, startTtun, ttunCommand } from "./tunnel.ts";

/** Hosts of the internet, and the server's own addresses. */
export const WEB = { v4: "203.0.113.9", v6: "2001:db8:99::9" };
export const SERVER = { v4: "192.0.2.1", v6: "2001:db8::1" };

/** The server forwards; the router is all of the internet. */
export type Lab = RoutedHosts;

export async function gatewayLab(): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await routedHosts());
  // The internet knows the way to the tunnel's clients by the server.
  await lab.router.sh(`
    ip address add ${WEB.v4}/32 dev lo
    ip address add ${WEB.v6}/128 dev lo
    ip route add 10.1.1.0/24 via ${SERVER.v4}
    ip route add fc11::/64 via ${SERVER.v6}`);
  await lab.server.sh(`
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip route add default via 192.0.2.254
    ip route add default via 2001:db8::fe`);
  stack.move();
  return lab;
}

/** The client of `lab` with these options; it need not have met the server yet. */
export function startGateway(lab: Lab, ...args: string[]): Process {
  return startGatewayTo(lab, SERVER.v4, ...args);
}

export function startGatewayTo(lab: Lab, server: string, ...args: string[]): Process {
  return startTtun(lab.client, "client", "-v", "--no-warm-up", "-s", server, ...args);
}

/** Rules, routes, filters and settings, byte for byte. */
export async function stateOf(host: Host): Promise<string> {
  return await host.sh(`
    ip rule; ip -6 rule
    ip route show table all; ip -6 route show table all
    nft list ruleset
    cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf ipv4/ip_forward 2>/dev/null | sort`);
}

/** Takes away what is left on the host; returns the words and the exit code. */
export async function repair(host: Host): Promise<{ code: number; stdout: string }> {
  const [command, args] = ttunCommand("doctor", "--repair");
  return await host.run(command, args, { env: ENV });
}

/**
 * Packets that leave by an uplink or come in there, but for the carrier's, neighbour discovery, and
 * the groups of IPv6.
 */
export class Leaks implements AsyncDisposable {
  readonly #process: Process;

  private constructor(process: Process) {
    this.#process = process;
  }

  static async watch(host: Host, ifname = "eth0"): Promise<Leaks> {
    const filter = "(ip or ip6) and not tcp port 20203 and not ip6[6] == 0 and " +
      "not (icmp6 and ip6[40] >= 130 and ip6[40] <= 137)";
    const process = host.spawn("tcpdump", [
      ...["-i", ifname, "-n", "-l", "--immediate-mode", "-Q", "out", filter],
    ]);
    await process.waitFor(/listening on/);
    return new Leaks(process);
  }

  /** Ends it, and returns the packets. */
  async stop(): Promise<string[]> {
    await pause(100);
    this.#process.signal("SIGINT");
    await this.#process.closed;
    return this.#process.output.split("\n").filter((line) => / IP6? /.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** Waits until a host of the internet answers: the first packets of a session may come too early. */
export async function expectWeb(host: Host): Promise<void> {
  await pingUntil(host, WEB.v4, 5000);
  await pingUntil(host, WEB.v6, 5000);
}

/** True if a host of the internet answers a ping of each family within a second. */
export async function reachesWeb(host: Host, ...how: string[]): Promise<[boolean, boolean]> {
  const one = async (to: string) =>
    (await host.run("ping", ["-c", "1", "-W", "1", ...how, to])).code === 0;
  return await Promise.all([one(WEB.v4), one(WEB.v6)]);
}
