/** `ttun server` and `ttun client` on two hosts of the test's own, started as users start them. */
import { type Host, type Process, twoHosts } from "../netns.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** The carrier's address of the server, and both ends' addresses in the tunnel. */
export const SERVER = "192.0.2.1:20203";
export const INNER = {
  server4: "10.1.1.1",
  client4: "10.1.1.2",
  server6: "fc11::1",
  client6: "fc11::2",
};

export const KEY = "correct horse battery staple";

/** The command line of ttun, from its sources. */
export function ttunCommand(...args: string[]): [string, string[]] {
  return [Deno.execPath(), ["run", "-A", "--no-prompt", MAIN, ...args]];
}

/** Nothing is remembered from one run to the next: there can be no directory there. */
export const ENV = { TTUN_KEY: KEY, STATE_DIRECTORY: "/dev/null/none" };

export function startTtun(host: Host, ...args: string[]): Process {
  const [command, rest] = ttunCommand(...args);
  return host.spawn(command, rest, { env: ENV });
}

/** Runs ttun to its end. */
export async function runTtun(host: Host, args: string[], timeoutMs = 40_000) {
  const [command, rest] = ttunCommand(...args);
  return await host.run(command, rest, { env: ENV, timeoutMs });
}

/**
 * For ends that are looked at for something else: dozens of processes that warm up at the same time
 * would slow everything down, and sockets of a warm-up would be counted.
 */
export const NO_WARM_UP = "--no-warm-up";

/** A server that listens. */
export async function startServer(host: Host, ...args: string[]): Promise<Process> {
  const server = startTtun(host, "server", "-v", NO_WARM_UP, ...args);
  await server.waitFor(/listening/);
  return server;
}

/** A client; `up` waits until it is authenticated. */
export async function startClient(host: Host, ...args: string[]): Promise<Process> {
  const client = startTtun(host, "client", "-v", NO_WARM_UP, "-s", SERVER, ...args);
  await client.waitFor(/authenticated/);
  return client;
}

export interface Tunnel extends AsyncDisposable {
  server: Host;
  client: Host;
  serverProcess: Process;
  clientProcess: Process;
}

/** Two hosts with a tunnel between them; options for both ends, or for each. */
export async function openTunnel(
  both: string[] = [],
  each: { server?: string[]; client?: string[] } = {},
): Promise<Tunnel> {
  await using stack = new AsyncDisposableStack();
  const hosts = stack.use(await twoHosts());
  const serverProcess = await startServer(hosts.server, ...both, ...(each.server ?? []));
  const clientProcess = await startClient(hosts.client, ...both, ...(each.client ?? []));
  const owned = stack.move();
  return {
    server: hosts.server,
    client: hosts.client,
    serverProcess,
    clientProcess,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const PING_SECONDS = 0.05;

/**
 * Pings `count` times and returns how many of these were answered, at the latest `wait` seconds
 * after the last; it takes so long only where answers are missing.
 */
export async function ping(
  host: Host,
  to: string,
  o: { count?: number; size?: number; wait?: number } = {},
): Promise<number> {
  const { count = 3, size = 56, wait = 5 } = o;
  // With -c alone ping takes the last answer for lost when it comes later than the ones before, and
  // no -W changes that. With -w it asks on until it has `count` answers: later ones do not count.
  const limits = ["-c", `${count}`, "-w", `${Math.ceil(count * PING_SECONDS + wait)}`];
  const args = [...limits, "-i", `${PING_SECONDS}`, "-M", "do", "-s", `${size}`, to];
  const { stdout } = await host.run("ping", args);
  const answered = [...stdout.matchAll(/ bytes from .* icmp_seq=(\d+) /g)].map(([, n]) =>
    Number(n)
  );
  return new Set(answered.filter((n) => n <= count)).size;
}

/** Waits until a ping is answered; returns after how many milliseconds. */
export async function pingUntil(host: Host, to: string, withinMs: number): Promise<number> {
  const began = performance.now();
  while (performance.now() - began < withinMs) {
    if (await ping(host, to, { count: 1, wait: 0.5 }) === 1) return performance.now() - began;
    await pause(100);
  }
  throw new Error(`No ping from ${to} within ${withinMs} ms`);
}

/** Transfers for a second with iperf3; returns the received megabits per second. */
export async function transfer(
  t: Pick<Tunnel, "server" | "client">,
  to: string,
  ...args: string[]
) {
  await using listener = t.server.spawn("iperf3", ["-s", "-1", "--forceflush"]);
  await listener.waitFor(/listening/i);
  const { code, stdout, stderr } = await t.client.run("iperf3", [
    "-c",
    to,
    "-t",
    "1",
    "-J",
    ...args,
  ]);
  if (code !== 0) throw new Error(`iperf3 failed: ${stdout}${stderr}`);
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
}

/** The names of a host's devices. */
export async function devices(host: Host): Promise<string[]> {
  return JSON.parse(await host.sh("ip -j link")).map(({ ifname }: { ifname: string }) => ifname);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
