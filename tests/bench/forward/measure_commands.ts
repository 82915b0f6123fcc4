/** Figures of a contender that connects by a process for each connection. */
import type { Host } from "../../netns.ts";
import type { Pair } from "../proxy/contender.ts";
import { cpuSeconds } from "../proxy/family.ts";
import { WORKERS } from "../proxy/measure.ts";
import { quantile } from "../statistics.ts";
import type { CommandsFound } from "./found.ts";
import type { Figures } from "./measure.ts";

/** One after the other: a process takes as long as a hundred connections of others. */
const REQUESTS = 200;

const TIMEOUT_MS = 60_000;

export type CommandFigures = Pick<Figures, "perSecond" | "cpuPerConnection" | "p50" | "p99">;

/** `seconds`: of the load that has a time. */
export async function measureCommands(
  host: Host,
  pair: Pair,
  command: readonly string[],
  seconds: number,
): Promise<CommandFigures> {
  const before = cpuSeconds(pair);
  const rate = await runLoad<CommandsFound>(host, ["rate", WORKERS, seconds, ...command]);
  const cpu = cpuSeconds(pair) - before + rate.cpuSeconds;
  if (rate.failures > 0) throw new Error(`${rate.failures} of ${rate.all} connections failed`);
  const times = await runLoad<number[]>(host, ["latency", REQUESTS, ...command]);
  return {
    perSecond: rate.perSecond,
    cpuPerConnection: cpu * 1000 / rate.all,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  };
}

async function runLoad<T>(host: Host, load: readonly (string | number)[]): Promise<T> {
  const file = new URL("commands.ts", import.meta.url).pathname;
  const args = ["run", "-A", file, ...load.map(String)];
  const { code, stdout, stderr } = await host.run(Deno.execPath(), args, { timeoutMs: TIMEOUT_MS });
  if (code === 0) return JSON.parse(stdout);
  throw new Error(`Load ${load[0]} failed: ${stderr}`);
}
