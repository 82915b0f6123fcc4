/**
 * Hosts for the tests: Linux network namespaces without a name, joined by veth pairs. A namespace
 * lives as long as the process that holds it, and that one reads a pipe from us: when we die, it
 * ends, and the kernel takes the namespace, its devices and its rules away. Root only.
 */

import { ignoreClosedPipe, Process, type SpawnOptions } from "./process.ts";
export { Process, type SpawnOptions };

/** A program and its end, as `Host.run` tells it. */
export interface RunResult {
  /** The exit code; 128 + signal when a signal ended it; 127 when it could not be started. */
  code: number;
  stdout: string;
  stderr: string;
  timedOut: boolean;
}

export interface RunOptions extends Omit<SpawnOptions, "stdin"> {
  stdin?: Uint8Array | { text: string };
  timeoutMs?: number;
}

const RUN_MS = 30_000;

/** One network namespace: `lo` is up, IPv6 addresses work at once and outlive a cut cable. */
export class Host implements AsyncDisposable {
  /** Of the process that holds the namespace: `nsenter -t PID -n` enters it. */
  readonly pid: number;
  readonly #holder: Deno.ChildProcess;
  readonly #processes = new Set<Process>();

  private constructor(holder: Deno.ChildProcess) {
    this.#holder = holder;
    this.pid = holder.pid;
  }

  static async create(): Promise<Host> {
    const holder = new Deno.Command("unshare", {
      args: ["-n", "--", "cat"],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    await using cleanup = new AsyncDisposableStack();
    const host = cleanup.use(new Host(holder));
    await host.#waitUntilHeld();
    await host.sh(`
      for scope in all default; do
        cd /proc/sys/net/ipv6/conf/$scope
        echo 0 >disable_ipv6; echo 0 >accept_dad; echo 1 >keep_addr_on_down
      done
      ip link set lo up`);
    cleanup.move();
    return host;
  }

  /** Before unshare(2) has returned, the process is still in our namespace: let `cat` answer. */
  async #waitUntilHeld(): Promise<void> {
    const writer = this.#holder.stdin.getWriter();
    const reader = this.#holder.stdout.getReader();
    try {
      await writer.write(new Uint8Array([10]));
      if ((await reader.read()).done) throw new Error("Cannot make a network namespace: be root");
    } finally {
      writer.releaseLock();
      reader.releaseLock();
    }
  }

  /** Starts a program in this namespace. It ends at the latest with the host. */
  spawn(command: string, args: string[] = [], options: SpawnOptions = {}): Process {
    // setpriv: when a test run is killed, nothing of ours may run on and hold the namespace.
    const enter = ["-t", `${this.pid}`, "-n", "--", "setpriv", "--pdeathsig", "KILL", "--"];
    const process = new Process("nsenter", [...enter, command, ...args], options);
    this.#processes.add(process);
    process.status.finally(() => this.#processes.delete(process));
    return process;
  }

  /** Runs a program in this namespace to its end; never throws. */
  async run(command: string, args: string[] = [], options: RunOptions = {}): Promise<RunResult> {
    const { timeoutMs = RUN_MS, ...rest } = options;
    try {
      await using process = this.spawn(command, args, rest);
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        process.signal("SIGKILL");
      }, timeoutMs);
      const { code } = await process.status.finally(() => clearTimeout(timer));
      await process.closed;
      return { code, stdout: process.stdout, stderr: process.stderr, timedOut };
    } catch (error) {
      return { code: 127, stdout: "", stderr: String(error), timedOut: false };
    }
  }

  /** Runs a shell script that stops at the first failing command, and returns what it printed. */
  async sh(script: string, options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr, timedOut } = await this.run("sh", ["-euc", script], options);
    if (code === 0) return stdout;
    const how = timedOut ? "did not end in time" : `failed with code ${code}`;
    throw new Error(`This script ${how}:\n${script}\n${stdout}${stderr}`);
  }

  /**
   * Ends what was spawned here, then lets the namespace go.
   * @throws when a program that was not spawned by `spawn` stayed behind (it is killed): whatever
   * started it forgot it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process[Symbol.asyncDispose]()));
    const forgotten = await this.#endForgotten();
    await this.#holder.stdin.close().catch(ignoreClosedPipe);
    await this.#holder.stdout.cancel();
    await this.#holder.status;
    if (forgotten.length > 0) throw new Error(`Left behind on a host: ${forgotten.join("; ")}`);
  }

  /**
   * Kills what still runs in the namespace after a second, and tells its command lines. Nothing of
   * it runs any more when this settles.
   */
  async #endForgotten(): Promise<string[]> {
    const others = await this.#othersAfterSecond(); // most are on their way out
    const lines = others.map((pid) => {
      const line = readOrNull(() => Deno.readTextFileSync(`/proc/${pid}/cmdline`));
      readOrNull(() => Deno.kill(pid, "SIGKILL"));
      return `${pid} ${line?.replaceAll("\0", " ").trim()}`;
    });
    if (others.length > 0) await this.#othersAfterSecond();
    return lines;
  }

  /** Waits until there are none, at most a second, and returns those that are there then. */
  async #othersAfterSecond(): Promise<number[]> {
    let others = this.#others();
    for (let tries = 0; others.length > 0 && tries < 50; tries++) {
      await new Promise((wake) => setTimeout(wake, 20));
      others = this.#others();
    }
    return others;
  }

  /** The processes in this namespace, without its holder. */
  #others(): number[] {
    const namespaceOf = (pid: number) => readOrNull(() => Deno.readLinkSync(`/proc/${pid}/ns/net`));
    const own = namespaceOf(this.pid);
    const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
    return pids.filter((pid) => pid > 0 && pid !== this.pid && namespaceOf(pid) === own);
  }
}

/** Of processes that may end at any moment, or are none of ours: null instead of the refusal. */
function readOrNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const { NotFound, PermissionDenied } = Deno.errors;
    const isGone = error instanceof Error && /No such process|os error 3\b/.test(error.message);
    if (isGone || error instanceof NotFound || error instanceof PermissionDenied) return null;
    throw error;
  }
}

export interface LinkOptions {
  /** Addresses with prefix length: the first host's, the second's. */
  v4?: [string, string];
  v6?: [string, string];
  /** One name for both ends. */
  ifname?: string;
}

/** Joins two hosts by a cable (veth pair) and waits until both ends have a carrier. */
export async function linkHosts(a: Host, b: Host, options: LinkOptions): Promise<void> {
  const ifname = options.ifname ?? "veth0";
  await a.sh(`ip link add ${ifname} type veth peer name ${ifname} netns ${b.pid}`);
  for (const [i, host] of [a, b].entries()) {
    if (options.v4 !== undefined) await host.sh(`ip addr add ${options.v4[i]} dev ${ifname}`);
    if (options.v6 !== undefined) {
      await host.sh(`ip addr add ${options.v6[i]} dev ${ifname} nodad`);
    }
  }
  await Promise.all([a, b].map((host) => host.sh(`ip link set ${ifname} up`)));
  await Promise.all([a, b].map((host) => waitForCarrier(host, ifname)));
}

/**
 * Sets the host's end of a cable down or up. Down: the host itself loses its routes there, the
 * other end loses the carrier. For a path that swallows packets silently, take `loss`.
 */
export async function cable(host: Host, ifname: string, state: "down" | "up"): Promise<void> {
  await host.sh(`ip link set ${ifname} ${state}`);
  if (state === "up") await waitForCarrier(host, ifname);
}

/** The kernel tells of a carrier up to a second late, and before that routes do not work. */
async function waitForCarrier(host: Host, ifname: string): Promise<void> {
  await host.sh(`
    tries=0
    until ip -o link show dev ${ifname} | grep -q 'state UP' &&
      ! ip -o -6 addr show dev ${ifname} tentative | grep -q inet6
    do
      tries=$((tries + 1))
      if [ $tries -gt 250 ]; then ip addr show dev ${ifname}; exit 1; fi
      sleep 0.02
    done`);
}

/**
 * Makes the host lose packets that it takes from and gives to this interface, each with the given
 * probability; 0 ends that. IPv4 and IPv6; what the host forwards is not touched, and neither is
 * how neighbours are found (ARP never passes here, so NDP must not suffer either: a lost
 * solicitation would stop all traffic for a second).
 */
export async function loss(host: Host, ifname: string, probability: number): Promise<void> {
  const chain = `loss-${ifname}`;
  const chance = probability >= 1 ? "" : `-m statistic --mode random --probability ${probability}`;
  for (const iptables of ["iptables -w", "ip6tables -w"]) {
    await host.sh(`
      if ${iptables} -n -L ${chain} >/dev/null 2>&1; then
        ${iptables} -F ${chain}
      else
        ${iptables} -N ${chain}
        ${iptables} -A INPUT -i ${ifname} -j ${chain}
        ${iptables} -A OUTPUT -o ${ifname} -j ${chain}
      fi
      ${iptables.startsWith("ip6") ? neighbourDiscovery(iptables, chain) : ""}
      ${probability > 0 ? `${iptables} -A ${chain} ${chance} -j DROP` : ""}`);
  }
}

function neighbourDiscovery(iptables: string, chain: string): string {
  return ["neighbour-solicitation", "neighbour-advertisement"]
    .map((type) => `${iptables} -A ${chain} -p icmpv6 --icmpv6-type ${type} -j RETURN`).join("\n");
}

export interface TwoHosts extends AsyncDisposable {
  readonly server: Host;
  readonly client: Host;
}

/**
 * Two hosts and a cable between their `veth0`: the server has 192.0.2.1/24 and 2001:db8::1/64,
 * the client 192.0.2.2/24 and 2001:db8::2/64.
 */
export async function twoHosts(): Promise<TwoHosts> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.use(await Host.create());
  const client = cleanup.use(await Host.create());
  await linkHosts(server, client, {
    v4: ["192.0.2.1/24", "192.0.2.2/24"],
    v6: ["2001:db8::1/64", "2001:db8::2/64"],
  });
  const kept = cleanup.move();
  return { server, client, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
