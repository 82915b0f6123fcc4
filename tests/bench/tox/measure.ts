/** Figures of one round, each by fresh processes in a namespace that has nothing but `lo`. */
import { Host } from "../../netns.ts";
import * as proc from "../../proc.ts";
import type { TemporaryFiles } from "../../temporary_files.ts";
import { FORWARD, script, type ToxContender } from "./ends.ts";

export type Way = "down" | "up";

/** MB/s of transfers right behind each other on one link, the first one on a new link. */
export interface Rates {
  readonly cold: number;
  readonly warm: number;
}

export interface Figures extends Rates {
  /** Seconds until the link was there. */
  readonly connected: number;
  /** CPU seconds of both ends for a gigabyte. */
  readonly cpuPerGb: number;
  /** The most memory (RSS) that an end had, in MB. */
  readonly peakMb: number;
}

/** Transfers for a figure: the library takes some seconds to become as fast as it gets. */
const TIMES = 3;
const TRANSFER_MS = 240_000;

/** One contender's forward, by which so many bytes go one way. */
export async function measureForward(
  contender: ToxContender,
  way: Way,
  bytes: number,
  files: TemporaryFiles,
): Promise<Figures> {
  await using host = await Host.create();
  const { server, client, connected } = await contender.start(host, files.makeFolder("tox"));
  const ends = [server.pid, client.pid];
  const cpu = () => ends.reduce((sum, pid) => sum + proc.cpuSeconds(pid), 0);
  const before = cpu();
  const args = [way, FORWARD.port, FORWARD.targetPort, bytes, TIMES].map(String);
  const seconds = await runScript(host, "load.ts", args);
  return {
    ...ratesOf(seconds, bytes),
    connected,
    cpuPerGb: (cpu() - before) / (bytes * TIMES / 1e9),
    peakMb: Math.max(...ends.map(proc.peakMb)),
  };
}

/** A loop over the library and nothing else. */
export async function measureBare(bytes: number): Promise<Rates> {
  await using host = await Host.create();
  const receiver = host.spawn(Deno.execPath(), ["run", "-A", script("bare.ts"), "receive"]);
  const [line] = await receiver.waitFor(/^[0-9a-f]{76} \d+ [0-9a-f]{64}$/m, TRANSFER_MS);
  const amounts = new Array<string>(TIMES).fill(`${bytes}`);
  return ratesOf(await runScript(host, "bare.ts", ["send", ...line.split(" "), ...amounts]), bytes);
}

/** Returns the numbers that it printed, a line each. */
async function runScript(host: Host, name: string, args: string[]): Promise<number[]> {
  const all = ["run", "-A", script(name), ...args];
  const { code, stdout, stderr } = await host.run(Deno.execPath(), all, {
    timeoutMs: TRANSFER_MS,
  });
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
  return stdout.split("\n").filter((line) => /^[\d.]+$/.test(line)).map(Number);
}

function ratesOf(seconds: readonly number[], bytes: number): Rates {
  if (seconds.length !== TIMES) throw new Error(`${seconds.length} of ${TIMES} transfers`);
  return { cold: bytes / 1e6 / seconds[0]!, warm: bytes / 1e6 / seconds.at(-1)! };
}
