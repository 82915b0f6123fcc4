/**
 * A path with delay, loss (also in bursts), reordered and doubled packets, a rate and a queue between
 * two hosts, by the emulator tests/tools/netem.c, which cc builds: it needs no module of the kernel.
 * Root only.
 */
import { type Host, Process } from "./netns.ts";
import type { TemporaryFiles } from "./temporary_files.ts";

const SOURCE = new URL("tools/netem.c", import.meta.url).pathname;

/** Packets for the emulator that a device keeps while the emulator waits for a processor. */
const DEVICE_QUEUE = 5000;

/** The emulator goes before all programs: packets that it kept too long would come in bursts. */
const FIRST = ["--fifo", "1"];

/** Properties of one way. Absent = the path has nothing of the kind. */
export interface WayOptions {
  delayMs?: number;
  lossPercent?: number;
  /** Packets that are lost in a row, on average. */
  burst?: number;
  /** Packets that come twice. */
  duplicatePercent?: number;
  /** Packets that others overtake, and by how much. */
  reorderPercent?: number;
  lateMs?: number;
  rateMbits?: number;
  /** Of the rate; what comes when so much waits is dropped. */
  queueMs?: number;
}

/** Each way, but for what the way back, from the second end, has of its own. */
export interface PathOptions extends WayOptions {
  back?: WayOptions;
}

/** The emulator's names of the properties. */
const NAMES: Readonly<Record<keyof WayOptions, string>> = {
  delayMs: "delay",
  lossPercent: "loss",
  burst: "burst",
  duplicatePercent: "duplicate",
  reorderPercent: "reorder",
  lateMs: "late",
  rateMbits: "rate",
  queueMs: "queue",
};

function wordsOf(way: WayOptions): string[] {
  return (Object.keys(NAMES) as (keyof WayOptions)[])
    .filter((name) => way[name] !== undefined)
    .map((name) => `${NAMES[name]}=${way[name]}`);
}

/** Builds the emulator in a folder and returns its path. @throws when cc is missing or refuses */
export async function buildEmulator({ folder }: Pick<TemporaryFiles, "folder">): Promise<string> {
  const program = `${folder}/netem`;
  const args = ["-O2", "-Wall", "-o", program, SOURCE];
  const { success, stderr } = await new Deno.Command("cc", { args }).output();
  if (!success) throw new Error(`cc ${args.join(" ")} failed: ${new TextDecoder().decode(stderr)}`);
  return program;
}

/** An end of a path: a new device on a host. */
export interface PathEnd {
  readonly host: Host;
  readonly ifname: string;
}

/** Makes both devices, without addresses. The path ends with what is returned. */
export async function startEmulator(
  emulator: string,
  ends: readonly [PathEnd, PathEnd],
  { back = {}, ...both }: PathOptions,
): Promise<Process> {
  const names = ends.flatMap(({ host, ifname }) => [`/proc/${host.pid}/ns/net`, ifname]);
  const numbers = [...wordsOf(both), "back", ...wordsOf(back)];
  await using cleanup = new AsyncDisposableStack();
  const path = cleanup.use(
    new Process("chrt", [
      ...FIRST,
      "setpriv",
      "--pdeathsig",
      "KILL",
      "--",
      emulator,
      ...names,
      ...numbers,
    ]),
  );
  await path.waitFor(/ready/);
  for (const { host, ifname } of ends) {
    await host.sh(`ip link set ${ifname} txqueuelen ${DEVICE_QUEUE} up`);
  }
  cleanup.move();
  return path;
}

/**
 * Joins the two by a device `wan0` at each end: the server has 198.51.100.1/24, the client
 * 198.51.100.2/24. The path ends with what is returned.
 */
export async function emulatePath(
  emulator: string,
  { server, client }: { server: Host; client: Host },
  options: PathOptions,
): Promise<Process> {
  const ifname = "wan0";
  await using cleanup = new AsyncDisposableStack();
  const path = cleanup.use(
    await startEmulator(
      emulator,
      [{ host: server, ifname }, { host: client, ifname }],
      options,
    ),
  );
  for (const [i, host] of [server, client].entries()) {
    await host.sh(`ip addr add 198.51.100.${i + 1}/24 dev ${ifname}`);
  }
  cleanup.move();
  return path;
}
