/** Figures of one contender in one round, each by fresh processes between fresh hosts. */
import { emulatePath } from "../../emulated_path.ts";
import { Host, linkHosts } from "../../netns.ts";
import * as proc from "../../proc.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { ADDRESSES, type ReadyContender } from "./contender.ts";
import type { Ends } from "./ends.ts";

export interface Figures {
  /** From the first byte that arrived to the last one. */
  mbPerSecond: number;
  /** CPU seconds of both ends for a gigabyte, their starts included. */
  cpuPerGb: number;
  /** Seconds from the start of the second end to the end of both. */
  whole: number;
  /** Milliseconds from the start of the second end until the first byte, or a small file, is there. */
  firstByte: number;
  /** Milliseconds until the first byte over a path with a round trip of FAR_MS. */
  farFirstByte: number;
}

/** Long beside what starting a program takes more or less from run to run. */
export const FAR_MS = 400;

const FAR = { delayMs: FAR_MS / 2, lossPercent: 0, rateMbits: 1000, queueMs: 1000 };

/** Bytes of the receiver's that are no log lines. */
const BEGINNING = 1024 * 1024;

const LOOK_MS = 1;
/** During a transfer, so that looking takes nothing from it. */
const LOOK_MEANWHILE_MS = 5;

export interface Conditions {
  readonly files: TemporaryFiles;
  readonly emulator: string;
  /** Files to be sent: a large one, and a few bytes. */
  readonly large: string;
  readonly small: string;
}

export async function measure(contender: ReadyContender, o: Conditions): Promise<Figures> {
  const { large, small } = o;
  const size = Deno.statSync(large).size;
  const run = { input: large, isKept: false, isFar: false };
  const bulk = await withRun(contender, run, o, (ends) => measureBulk(ends, size));
  const first = (isFar: boolean) =>
    withRun(contender, { input: small, isKept: true, isFar }, o, untilFirstByte);
  return { ...bulk, firstByte: await first(false), farFirstByte: await first(true) };
}

interface Run {
  readonly input: string;
  /** Has what comes written into a file. */
  readonly isKept: boolean;
  readonly isFar: boolean;
}

async function withRun<T>(
  contender: ReadyContender,
  { input, isKept, isFar }: Run,
  { files, emulator }: Conditions,
  look: (ends: Ends) => Promise<T>,
): Promise<T> {
  await using cleanup = new AsyncDisposableStack();
  const receiver = cleanup.use(await Host.create());
  const sender = cleanup.use(await Host.create());
  const hosts = { server: receiver, client: sender };
  if (isFar) cleanup.use(await emulatePath(emulator, hosts, FAR));
  else {
    const v4: [string, string] = [`${ADDRESSES[0]}/24`, `${ADDRESSES[1]}/24`];
    await linkHosts(receiver, sender, { ifname: "wan", v4 });
  }
  const folder = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "ttun-bench-" });
  files.add(folder);
  cleanup.defer(() => Deno.remove(folder, { recursive: true }));
  const output = isKept ? `${folder}/got` : null;
  const ends = cleanup.use(await contender.start({ receiver, sender, input, output, folder }));
  return await look(ends);
}

async function measureBulk(ends: Ends, size: number) {
  let isOver = false;
  ends.ended.then(() => isOver = true, () => isOver = true);
  const at = async (bytes: number, everyMs: number) => {
    for (;;) {
      const found = isOver ? null : bytesOf(ends);
      if (isOver || (found !== null && found >= bytes)) {
        return { time: performance.now(), bytes: found ?? size };
      }
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  };
  const begin = await at(BEGINNING, LOOK_MS);
  const end = await at(size, LOOK_MEANWHILE_MS);
  await ends.ended;
  const whole = (performance.now() - ends.begun) / 1000;
  return {
    mbPerSecond: (size - begin.bytes) / 1000 / (end.time - begin.time),
    cpuPerGb: await ends.cpuSeconds() / (size / 1e9),
    whole,
  };
}

/** Null when the process is not there yet, or not any more. */
function bytesOf(ends: Ends): number | null {
  const pid = ends.receiverPid();
  if (pid === undefined) return null;
  try {
    return proc.writtenBytes(pid);
  } catch {
    return null;
  }
}

async function untilFirstByte(ends: Ends): Promise<number> {
  const failed = Promise.withResolvers<never>();
  ends.ended.catch(failed.reject);
  failed.promise.catch(() => {}); // raced below
  while (!hasBytes(ends.output!)) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_MS)), failed.promise]);
  }
  const found = performance.now() - ends.begun;
  await ends.ended;
  return found;
}

function hasBytes(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
