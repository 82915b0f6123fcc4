/** All figures of one contender in one round, through two pairs of its own. */
import type { Host } from "../../netns.ts";
import type { Pair, ReadyContender } from "../proxy/contender.ts";
import { cpuSeconds, rssMb } from "../proxy/family.ts";
import type { BulkFound, RateFound } from "../proxy/found.ts";
import { loadCommand, REQUESTS, runLoad, STREAMS, withPair, WORKERS } from "../proxy/measure.ts";
import { quantile } from "../statistics.ts";
import { heldBy, SSH } from "./contenders.ts";
import { measureCommands } from "./measure_commands.ts";

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
  /** Milliseconds until a message is answered: alone, and beside `BULKS` streams down. */
  aloneP50: number;
  aloneP99: number;
  besideP50: number;
  besideP99: number;
  /** KB that each end takes for an idle connection. */
  clientKb: number;
  serverKb: number;
}

const NOTHING: Figures = {
  ...{ down: NaN, up: NaN, eightDown: NaN, eightUp: NaN, cpuPerGb: NaN },
  ...{ perSecond: NaN, cpuPerConnection: NaN, p50: NaN, p99: NaN },
  ...{ aloneP50: NaN, aloneP99: NaN, besideP50: NaN, besideP99: NaN },
  ...{ clientKb: NaN, serverKb: NaN },
};

export const BULKS = 4;

const HOLD_MS = 60_000;
/** Until what opening the connections has left behind is gone. */
const SETTLE_MS = 2000;
/** Of each kind of load before it is measured, until code that is compiled as it runs is. */
const WARM_SECONDS = 1;

/** `seconds`: of each load that has a time. */
export async function measure(contender: ReadyContender, seconds: number): Promise<Figures> {
  if (contender.name === SSH.master) {
    return await withPair(contender, async (host, pair) => ({
      ...NOTHING,
      ...await measureCommands(host, pair, pair.command!, seconds),
    }));
  }
  const count = heldBy(contender.name);
  return {
    ...await withPair(contender, (host, pair) => measureMemory(host, pair, count)),
    ...await withPair(contender, (host, pair) => measureSpeed(host, pair, seconds)),
  };
}

/** Of ends that have served nobody before. */
async function measureMemory(
  host: Host,
  pair: Pair,
  count: number,
): Promise<Pick<Figures, "clientKb" | "serverKb">> {
  const ends = [pair.client, pair.server];
  const before = ends.map(rssMb);
  await using load = host.spawn(...loadCommand(pair, ["hold", count]));
  await load.waitFor(/held/, HOLD_MS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const [clientKb, serverKb] = ends.map((end, i) => (rssMb(end) - before[i]!) * 1000 / count);
  return { clientKb: clientKb!, serverKb: serverKb! };
}

type Speed = Omit<Figures, "clientKb" | "serverKb">;

async function measureSpeed(host: Host, pair: Pair, seconds: number): Promise<Speed> {
  const cpuOf = async <T>(work: () => Promise<T>): Promise<[T, cpu: number]> => {
    const before = cpuSeconds(pair);
    const result = await work();
    return [result, pair.server === null ? NaN : cpuSeconds(pair) - before];
  };
  const bulk = async (what: "down" | "up", streams: number, time = seconds) =>
    await runLoad<BulkFound>(host, pair, [what, streams, time]);
  const short = (time: number) => runLoad<RateFound>(host, pair, ["rate", WORKERS, time]);
  const oneByOne = () => runLoad<number[]>(host, pair, ["latency", REQUESTS]);
  const beside = (streams: number) => runLoad<number[]>(host, pair, ["beside", streams, seconds]);
  await bulk("down", 1, WARM_SECONDS);
  const [down, downCpu] = await cpuOf(() => bulk("down", 1));
  const up = await bulk("up", 1);
  const eightDown = await bulk("down", STREAMS);
  const eightUp = await bulk("up", STREAMS);
  await short(WARM_SECONDS);
  const [rate, rateCpu] = await cpuOf(() => short(seconds));
  if (rate.failures > 0) throw new Error(`${rate.failures} of ${rate.all} connections failed`);
  const times = await oneByOne();
  const alone = await beside(0);
  const loaded = await beside(BULKS);
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
    aloneP50: quantile(alone, 0.5),
    aloneP99: quantile(alone, 0.99),
    besideP50: quantile(loaded, 0.5),
    besideP99: quantile(loaded, 0.99),
  };
}
