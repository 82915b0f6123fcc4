/** All figures of one contender in one round, through two pairs of its own. */
import { Host, type Process } from "../../netns.ts";
import { quantile } from "../statistics.ts";
import { useCongestion } from "../unpaced.ts";
import type { Pair, ReadyContender } from "./contender.ts";
import { spawnEnd, untilListening, withDescriptors } from "./ends.ts";
import { cpuSeconds, rssMb } from "./family.ts";
import type { BulkFound, RateFound } from "./found.ts";
import { TARGET } from "./wire.ts";

/** NaN where there is nothing to measure. */
export interface Figures {
  /** MB/s from the target and to it; the same with eight streams. */
  down: number;
  up: number;
  eightDown: number;
  eightUp: number;
  /** CPU seconds of both ends together for a gigabyte of the single stream down. */
  cpuPerGb: number;
  /** Short connections, and CPU milliseconds of both ends together for each. */
  perSecond: number;
  cpuPerConnection: number;
  /** Milliseconds of a short connection, one after the other. */
  p50: number;
  p99: number;
  /** MB that each end takes more with idle connections open than before the first one. */
  clientMb: number;
  serverMb: number;
}

export const STREAMS = 8;
export const WORKERS = 32;
export const REQUESTS = 1000;
export const HELD = 5000;

const HOLD_MS = 60_000;
/** Until what opening the connections has left behind is gone. */
const SETTLE_MS = 2000;
/**
 * Of each kind of load before it is measured: until code that is compiled as it runs is. Requests one
 * by one are made twice, and the second time counts.
 */
const WARM_SECONDS = 3;
/** Most milliseconds of a load beyond its length. */
const GRACE_MS = 30_000;
const LINES_TOLD = 5;

/**
 * The kernel keeps a minute's closed connections, and looks for a free port among them: a second of
 * short connections would measure that search.
 */
const FEW_OLD_CONNECTIONS = "echo 1000 >/proc/sys/net/ipv4/tcp_max_tw_buckets";

/** `seconds`: of each load that has a time. */
export async function measure(contender: ReadyContender, seconds: number): Promise<Figures> {
  return {
    ...await withPair(contender, measureMemory),
    ...await withPair(contender, (host, pair) => measureSpeed(host, pair, seconds)),
  };
}

/** Of ends that have served nobody before. */
async function measureMemory(
  host: Host,
  pair: Pair,
): Promise<Pick<Figures, "clientMb" | "serverMb">> {
  const { client, server } = pair;
  const idle = { client: rssMb(client), server: rssMb(server) };
  await using load = host.spawn(...loadCommand(pair, ["hold", HELD]));
  await load.waitFor(/held/, HOLD_MS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return { clientMb: rssMb(client) - idle.client, serverMb: rssMb(server) - idle.server };
}

async function measureSpeed(
  host: Host,
  pair: Pair,
  seconds: number,
): Promise<Omit<Figures, "clientMb" | "serverMb">> {
  const bulk = (what: "down" | "up", streams: number, time = seconds) =>
    runLoad<BulkFound>(host, pair, [what, streams, time]);
  const cpuOf = async <T>(work: () => Promise<T>): Promise<[T, cpu: number]> => {
    const before = cpuSeconds(pair);
    const result = await work();
    return [result, pair.server === null ? NaN : cpuSeconds(pair) - before];
  };
  const short = (time: number) => runLoad<RateFound>(host, pair, ["rate", WORKERS, time]);
  const oneByOne = () => runLoad<number[]>(host, pair, ["latency", REQUESTS]);
  await bulk("down", 1, WARM_SECONDS);
  const [down, downCpu] = await cpuOf(() => bulk("down", 1));
  const up = await bulk("up", 1);
  const eightDown = await bulk("down", STREAMS);
  const eightUp = await bulk("up", STREAMS);
  await short(WARM_SECONDS);
  const [rate, rateCpu] = await cpuOf(() => short(seconds));
  if (rate.failures > 0) throw new Error(`${rate.failures} of ${rate.all} connections failed`);
  await oneByOne();
  const times = await oneByOne();
  return {
    down: down.mbPerSecond,
    up: up.mbPerSecond,
    eightDown: eightDown.mbPerSecond,
    eightUp: eightUp.mbPerSecond,
    cpuPerGb: downCpu / (down.allBytes / 1e9),
    perSecond: rate.perSecond,
    cpuPerConnection: rateCpu * 1000 / rate.all,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  };
}

/** A new host with a target and a pair, which end when `work` is done. */
export async function withPair<T>(
  { start }: ReadyContender,
  work: (host: Host, pair: Pair) => Promise<T>,
  congestion = "reno",
): Promise<T> {
  await using host = await Host.create();
  await host.sh(FEW_OLD_CONNECTIONS);
  await useCongestion(congestion, host);
  await using cleanup = new AsyncDisposableStack();
  const target = cleanup.use(spawnEnd(host, Deno.execPath(), programArgs("target.ts")));
  await untilListening(host, target, TARGET.port);
  const pair = await start(host);
  cleanup.use(pair.server);
  cleanup.use(pair.client); // ends first: sshd's session then ends by itself
  try {
    return await work(host, pair);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${text}; ${told(pair.client)}; ${told(pair.server)}`, { cause: error });
  }
}

function told(end: Process | null): string {
  return end?.output.split("\n").slice(-LINES_TOLD).join(" / ") ?? "";
}

/** Runs load.ts beside the pair. @throws when it fails, or goes on for too long */
export async function runLoad<T>(
  host: Host,
  pair: Pair,
  load: [what: string, ...numbers: number[]],
): Promise<T> {
  const timeoutMs = load.at(-1) as number * 1000 + GRACE_MS;
  const [command, args] = loadCommand(pair, load);
  const { code, stdout, stderr, timedOut } = await host.run(command, args, { timeoutMs });
  if (code === 0) return JSON.parse(stdout);
  throw new Error(
    `Load ${load.join(" ")} ${timedOut ? "did not end in time" : "failed"}: ${stderr}`,
  );
}

/** The command line of load.ts. */
export function loadCommand(
  { socksPort, forwardPort = TARGET.port }: Pair,
  load: [what: string, ...numbers: number[]],
): [string, string[]] {
  const way = socksPort === null ? `plain:${forwardPort}` : `socks:${socksPort}`;
  const args = programArgs("load.ts", way, ...load.map(String));
  return withDescriptors(Deno.execPath(), args);
}

function programArgs(file: string, ...args: string[]): string[] {
  return ["run", "-A", new URL(file, import.meta.url).pathname, ...args];
}
