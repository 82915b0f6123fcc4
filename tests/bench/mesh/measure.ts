/** All figures of one store in one round, by processes of their own in a namespace of their own. */
import { Host } from "../../netns.ts";
import { rssMb } from "../../proc.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { runSeconds } from "../usage.ts";
import { type Operation, OPERATIONS, type RunningStore, type StoreContender } from "./contender.ts";
import { KEYS_OF_CLIENT, type Load, type LoadFigures } from "./load.ts";
import { KEYS } from "./requests.ts";

export const CLIENTS = [1, 32] as const;

const LOAD = new URL("load.ts", import.meta.url).pathname;

/** Of each operation, before the store's rest is measured. */
const FIRST_REQUESTS = 1024;

/**
 * Of each operation, before any is measured: code that is compiled as it runs is compiled for good after
 * some ten thousand calls, and partly given up again in a minute of rest.
 */
const WARM_REQUESTS = 16_384;

/** From the start until a store is at rest. */
const SETTLE_MS = 5000;

/** From the last request until a store is at rest: it gives back what the requests have taken, too. */
const REST_MS = 30_000;

export interface OperationFigures extends LoadFigures {
  readonly operation: Load["operation"];
  readonly clients: number;
  /** Milliseconds of all of the store's processes for a request. */
  readonly cpuMs: number;
}

export interface StoreFigures {
  readonly operations: readonly OperationFigures[];
  /** Percent of a processor that the process takes at rest that takes most. */
  readonly idleCpu: number;
  /** MB (RSS) of the process that takes most, before its first request. */
  readonly freshMb: number;
  /** MB of the process that takes most, after the load. */
  readonly loadedMb: number;
}

export interface Lengths {
  readonly seconds: number;
  readonly idleSeconds: number;
}

export async function measureStore(
  contender: StoreContender,
  { seconds, idleSeconds }: Lengths,
  files: TemporaryFiles,
): Promise<StoreFigures> {
  await using host = await Host.create();
  const folder = files.makeFolder("store");
  const store = await contender.start(host, folder);
  const names = OPERATIONS.filter((name) => name in contender.promises);
  await wait(SETTLE_MS);
  const freshMb = mostMb(store);
  await warmUp(host, store, names, FIRST_REQUESTS);
  const idleCpu = await measureIdle(store, idleSeconds);
  await warmUp(host, store, names, WARM_REQUESTS);
  const operations: OperationFigures[] = [];
  for (const clients of CLIENTS) {
    for (const operation of names) {
      const before = runSeconds(store.ends);
      const figures = await runLoad(host, {
        ...store.at,
        operation,
        clients,
        warmSeconds: seconds / 3,
        seconds,
        least: 0,
      });
      const used = runSeconds(store.ends) - before;
      const requests = figures.perSecond * seconds * 4 / 3;
      operations.push({ operation, clients, ...figures, cpuMs: used * 1000 / requests });
    }
  }
  return { operations, idleCpu, freshMb, loadedMb: mostMb(store) };
}

/**
 * Writes each key, so that gets find something, and asks all that is measured: code that is compiled as
 * it runs has been then, as it is in a store's life.
 */
async function warmUp(
  host: Host,
  { at }: RunningStore,
  names: readonly Operation[],
  requests: number,
) {
  const clients = KEYS / KEYS_OF_CLIENT;
  const puts = names.filter((name) => name.endsWith("put"));
  for (const operation of [...puts, ...names]) {
    const least = requests / clients;
    await runLoad(host, { ...at, operation, clients, warmSeconds: 0, seconds: 0, least });
  }
}

async function wait(ms: number): Promise<void> {
  await new Promise((wake) => setTimeout(wake, ms));
}

async function measureIdle(store: RunningStore, seconds: number) {
  await wait(REST_MS);
  const before = store.ends.map((end) => runSeconds([end]));
  await wait(1000 * seconds);
  const used = store.ends.map((end, i) => runSeconds([end]) - before[i]!);
  return 100 * Math.max(...used) / seconds;
}

function mostMb({ ends }: RunningStore): number {
  return Math.max(...ends.map(({ process }) => rssMb(process.pid)));
}

/** Asks a store on its host by a process of its own. */
export async function runLoad(host: Host, load: Load): Promise<LoadFigures> {
  const args = ["run", "-A", LOAD, JSON.stringify(load)];
  const { code, stdout, stderr } = await host.run(Deno.execPath(), args, { timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`${load.protocol}, ${load.operation}: ${stderr}`);
  return JSON.parse(stdout);
}
