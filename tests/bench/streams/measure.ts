/** One contender's small streams, in one of two places that are made for it. */
import { emulatePath } from "../../emulated_path.ts";
import { Host, type Process } from "../../netns.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { LOOPBACK, spawnEnd, untilListening, withDescriptors } from "../proxy/ends.ts";
import { useReno } from "../unpaced.ts";
import type { Contender, Ends } from "./contenders.ts";
import { type LoadFound, LOADS } from "./found.ts";
import { TARGET_PORT } from "./wire.ts";

/** Most milliseconds of a load beyond its length. */
const GRACE_MS = 60_000;

/** Each way. */
export const PATH = { delayMs: 10, lossPercent: 0, rateMbits: 100, queueMs: 60 };

/** On a path of that kind, by the program of `buildEmulator`; or on the loopback of one host. */
export const PLACES = ["path", "loopback"] as const;
export type Place = typeof PLACES[number];

export interface Conditions {
  place: Place;
  emulator: string;
  files: TemporaryFiles;
  seconds: number;
}

export async function measure(contender: Contender, c: Conditions): Promise<LoadFound> {
  await using owned = new AsyncDisposableStack();
  const ends = await makeEnds(c, owned);
  await useReno(ends.server, ends.client); // a new namespace may not choose what most have, CUBIC
  const target = spawnEnd(ends.server, Deno.execPath(), programArgs("target.ts"));
  await untilListening(ends.server, target, TARGET_PORT);
  const { to, processes } = await contender.start(ends, c.files);
  for (const process of processes) owned.use(process);
  const args = programArgs("load.ts", to.host, `${to.port}`, `${c.seconds}`);
  const load = await ends.client.run(...withDescriptors(Deno.execPath(), args), {
    timeoutMs: LOADS.length * c.seconds * 1000 + GRACE_MS,
  });
  if (load.code === 0) return JSON.parse(load.stdout);
  throw new Error(`The load of ${contender.name} failed: ${load.stderr}`);
}

async function makeEnds(
  { place, emulator }: Conditions,
  owned: AsyncDisposableStack,
): Promise<Ends> {
  const server = owned.use(await Host.create());
  if (place === "loopback") return { server, client: server, address: LOOPBACK };
  const client = owned.use(await Host.create());
  const path: Process = await emulatePath(emulator, { server, client }, PATH);
  owned.use(path);
  return { server, client, address: "198.51.100.1" };
}

function programArgs(file: string, ...args: string[]): string[] {
  return ["run", "-A", new URL(file, import.meta.url).pathname, ...args];
}
