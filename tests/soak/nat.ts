/**
 * The NAT laboratory: `deno task soak:nat [RUNS] [PAIRS] [MS]` has two ends of `ttun peer` connect behind
 * each pair of NATs and firewalls, with known addresses and by a server (--via), and prints a table
 * in Markdown. RUNS where it can connect (20), a few where it cannot; PAIRS: a regular expression,
 * of `kind kind`; MS that a packet takes from end to end (0, without an emulated path). Root only; all traffic stays in namespaces. Ends with 1 if a pair does not do what
 * it should.
 */
import { NO_KEY, startPipe } from "../e2e/peers.ts";
import { ENV, KEY, ttunCommand } from "../e2e/tunnel.ts";
import type { NatKind } from "../nat_lab.ts";
import { buildEmulator } from "../emulated_path.ts";
import type { Process } from "../netns.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { distantLab, ENDS, ENDS_V6, VIA, VIA_V6, type ViaLab, viaLab } from "../via_lab.ts";

const KINDS: readonly NatKind[] = [
  "open",
  "full-cone",
  "port-restricted",
  "reset",
  "remapping",
  "firewall",
  "ipv6-firewall",
];

/** Runs where there is no way, and their deadline in seconds. */
const RUNS_IN_VAIN = 3;
const DEADLINE = "10";

const MS = 60_000;
const PORT = 54_312;
const NOTHING = { input: "/dev/null", output: "/dev/null" };

type Pair = readonly [NatKind, NatKind];

/** `chance`: both NATs answer with RST, and nothing takes any time on its way. */
type Expected = "direct" | "none" | "chance";

const has = (pair: Pair, ...kinds: NatKind[]) => pair.some((kind) => kinds.includes(kind));
const isMixed = (pair: Pair) => has(pair, "ipv6-firewall") && pair[0] !== pair[1];

function expected(pair: Pair, isVia: boolean): Expected {
  if (isMixed(pair)) return "none";
  if (has(pair, "remapping")) {
    return isVia && has(pair, "open", "full-cone") ? "direct" : "none";
  }
  return !hasPath && pair.every((kind) => kind === "reset") ? "chance" : "direct";
}

interface Run {
  /** Milliseconds from the later end's beginning until both were connected; null = they were not. */
  readonly ms: number | null;
  /** Milliseconds that the second program took to begin; null = it did not. */
  readonly startMs: number | null;
  /** Attempts of the end that made more, or tries of a meeting; 0 = no direct connection. */
  readonly tries: number;
  readonly isRelayed: boolean;
  readonly output: string;
}

function timeOf({ output }: Process, pattern: RegExp): number | null {
  const line = output.split("\n").find((one) => pattern.test(one));
  return line === undefined ? null : Date.parse(line.slice(0, line.indexOf(" ")));
}

function triesIn(output: string): number {
  const all = output.matchAll(/there is a (?:direct )?connection .*?(?:attempts|tries)=(\d+)/g);
  return [...all].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** `startedAt`: when the second end's program was started. */
async function runOf(first: Process, second: Process, startedAt: number): Promise<Run> {
  const ends = [first, second];
  for (const end of ends) {
    await end.status;
    await end.closed;
  }
  const { output } = second;
  const latest = (pattern: RegExp, ...of: Process[]) => {
    const times = of.map((end) => timeOf(end, pattern));
    return times.some((time) => time === null) ? null : Math.max(...times as number[]);
  };
  const isMeeting = / connecting {2}ticket=/.test(output);
  const from = latest(/ info +connecting /, ...(isMeeting ? [second] : ends));
  const to = latest(/Connected to peer!/, ...ends);
  const counted = ends.map((end) => triesIn(end.output));
  return {
    ms: from === null || to === null ? null : to - from,
    startMs: from === null ? null : from - startedAt,
    tries: Math.max(...counted),
    isRelayed: /through the relay/.test(output),
    output: `${first.output}\n--\n${output}`,
  };
}

/** Both addresses are known, and the ports, which differ from run to run: hosts keep old ones. */
async function withAddresses(lab: ViaLab, pair: Pair, number: number): Promise<Run> {
  const addresses = has(pair, "ipv6-firewall") ? ENDS_V6 : ENDS;
  const port = `${PORT + number}`;
  const start = (i: 0 | 1) =>
    startPipe(
      lab.hosts[i],
      NOTHING,
      [
        ...["-v", "-myip", addresses[i], "-peerip", addresses[1 - i]!, "--wire", "v2"],
        ...["-lport", port, "-rport", port, "--deadline", DEADLINE],
      ],
      { ...NO_KEY, TTUN_KEY: KEY },
    );
  await using first = start(0);
  const startedAt = Date.now();
  await using second = start(1);
  return await runOf(first, second, startedAt);
}

async function byServer(lab: ViaLab, pair: Pair): Promise<Run> {
  const start = (i: 0 | 1, args: string[], env: Record<string, string> = {}) => {
    const host = pair[i] === "ipv6-firewall" ? `[${VIA_V6}]` : VIA;
    const via = `ttun://${encodeURIComponent(KEY)}@${host}:20203`;
    return startPipe(lab.hosts[i], NOTHING, args, { ...NO_KEY, TTUN_VIA: via, ...env });
  };
  await using first = start(0, ["listen", "-v"]);
  const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
  const startedAt = Date.now();
  await using second = start(1, ["connect", "-v"], { TTUN_TICKET: ticket });
  return await runOf(first, second, startedAt);
}

/** Tells in words how a pair's runs have ended, and whether that is as it should be. */
function judge(runs: readonly Run[], wanted: Expected, isVia: boolean) {
  const connected = runs.filter(({ ms }) => ms !== null);
  const [relayed, direct] = [true, false].map((is) =>
    connected.filter(({ isRelayed }) => isRelayed === is)
  ) as [Run[], Run[]];
  const parts = [
    direct.length > 0 &&
    `${direct.length} of ${runs.length}: ${triesOf(direct)}, ${timesOf(direct)}`,
    relayed.length > 0 && `${relayed.length} of ${runs.length} relayed: ${timesOf(relayed)}`,
  ];
  const words = parts.filter((part) => part !== false).join("; ") || "no way";
  const isRight = wanted === "direct"
    ? direct.length === runs.length
    : wanted === "chance"
    ? !isVia || connected.length === runs.length
    : direct.length === 0 && relayed.length === (isVia ? runs.length : 0);
  return { words, isRight };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function triesOf(runs: readonly Run[]): string {
  const tries = runs.map((run) => run.tries);
  const [usual, most] = [median(tries), Math.max(...tries)];
  const words = `${usual} ${usual === 1 ? "try" : "tries"}`;
  return usual === most ? words : `${words} (at most ${most})`;
}

function timesOf(runs: readonly Run[]): string {
  const times = runs.map(({ ms }) => ms!);
  return `${median(times)} ms (at most ${Math.max(...times)})`;
}

/** Milliseconds from the start of a program to its first words about connecting. */
const starts: number[] = [];

async function pairRow(lab: ViaLab, pair: Pair, most: number): Promise<boolean> {
  const [command, all] = ttunCommand("server", "--no-tun", "-l", ":20203", "--permit-relay");
  await using server = lab.server.spawn(command, all, { env: ENV });
  await server.waitFor(/ listening /, MS);
  const cells: string[] = [];
  let isAllRight = true;
  for (const isVia of [false, true]) {
    if (!isVia && isMixed(pair)) {
      cells.push("no way");
      continue;
    }
    const wanted = expected(pair, isVia);
    const runs: Run[] = [];
    const count = wanted === "none" ? Math.min(most, RUNS_IN_VAIN) : most;
    for (let i = 0; i < count; i++) {
      runs.push(await (isVia ? byServer(lab, pair) : withAddresses(lab, pair, i)));
    }
    for (const { startMs } of runs) if (startMs !== null) starts.push(startMs);
    const { words, isRight } = judge(runs, wanted, isVia);
    cells.push(isRight ? words : `**${words}**`);
    if (isRight) continue;
    isAllRight = false;
    for (const { output } of runs) console.error(`${pair.join(", ")}:\n${output}\n`);
  }
  console.log(`| ${pair.join(" | ")} | ${cells.join(" | ")} |`);
  return isAllRight;
}

const [runs = "20", pattern = ".", ms = "0"] = Deno.args;
const hasPath = ms !== "0";

async function allPairs(): Promise<boolean> {
  using files = new TemporaryFiles();
  const emulator = hasPath ? await buildEmulator(files) : null;
  const makeLab = (...kinds: [NatKind, NatKind]) =>
    emulator === null ? viaLab(...kinds) : distantLab(emulator, Number(ms), ...kinds);
  console.log(`| one end | the other | known addresses | --via |\n| --- | --- | --- | --- |`);
  const pairs = KINDS.flatMap((one, i) => KINDS.slice(i).map((other): Pair => [one, other]));
  let isRight = true;
  for (const pair of pairs) {
    if (!new RegExp(pattern).test(pair.join(" "))) continue;
    await using lab = await makeLab(...pair as [NatKind, NatKind]);
    if (!await pairRow(lab, pair, Number(runs))) isRight = false;
  }
  return isRight;
}

const isRight = await allPairs();
if (starts.length > 0) console.log(`\nBefore that a program takes ${median(starts)} ms to start.`);
Deno.exit(isRight ? 0 : 1);
