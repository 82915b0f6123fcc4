/**
 * The NAT laboratory: `deno task soak:nat [RUNS] [PAIRS]` has two ends of `ttun peer` connect behind
 * each pair of NATs and firewalls, with known addresses and by a server (--via), and prints a table
 * in Markdown. RUNS where it can connect (20), a few where it cannot; PAIRS: a regular expression,
 * of `kind kind`. Root only; all traffic stays in namespaces. Ends with 1 if a pair does not do what
 * it should.
 */
import { NO_KEY, startPipe } from "../e2e/peers.ts";
import { ENV, KEY, ttunCommand } from "../e2e/tunnel.ts";
import type { NatKind } from "../nat_lab.ts";
import type { Process } from "../netns.ts";
import { ENDS, ENDS_V6, VIA, VIA_V6, type ViaLab, viaLab } from "../via_lab.ts";

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

/** `chance`: both NATs answer with RST, and here nothing takes any time on its way. */
type Expected = "direct" | "none" | "chance";

const has = (pair: Pair, ...kinds: NatKind[]) => pair.some((kind) => kinds.includes(kind));
const isMixed = (pair: Pair) => has(pair, "ipv6-firewall") && pair[0] !== pair[1];

function expected(pair: Pair, isVia: boolean): Expected {
  if (isMixed(pair)) return "none";
  if (has(pair, "remapping")) {
    return isVia && has(pair, "open", "full-cone") ? "direct" : "none";
  }
  return pair.every((kind) => kind === "reset") ? "chance" : "direct";
}

/** Milliseconds from the first SYN to the connection; null = there was none. */
interface Run {
  readonly ms: number | null;
  readonly isRelayed: boolean;
  readonly output: string;
}

function timeOf({ output }: Process, pattern: RegExp): number | null {
  const line = output.split("\n").find((one) => pattern.test(one));
  return line === undefined ? null : Date.parse(line.slice(0, line.indexOf(" ")));
}

async function runOf(first: Process, second: Process): Promise<Run> {
  for (const end of [first, second]) {
    await end.status;
    await end.closed;
  }
  const [from, to] = [/ connecting /, /Connected to peer!/].map((one) => timeOf(second, one));
  const output = `${first.output}\n--\n${second.output}`;
  const ms = from == null || to == null ? null : to - from;
  return { ms, isRelayed: /through the relay/.test(second.output), output };
}

/** Both addresses are known, and the ports, which differ from run to run: hosts keep old ones. */
async function withAddresses(lab: ViaLab, pair: Pair, number: number): Promise<Run> {
  const addresses = has(pair, "ipv6-firewall") ? ENDS_V6 : ENDS;
  const port = `${PORT + number}`;
  const start = (i: 0 | 1) =>
    startPipe(lab.hosts[i], NOTHING, [
      ...["-v", "-myip", addresses[i], "-peerip", addresses[1 - i]!],
      ...["-lport", port, "-rport", port, "--deadline", DEADLINE],
    ]);
  await using first = start(0);
  await using second = start(1);
  return await runOf(first, second);
}

async function byServer(lab: ViaLab, pair: Pair): Promise<Run> {
  const start = (i: 0 | 1, args: string[], env: Record<string, string> = {}) => {
    const host = pair[i] === "ipv6-firewall" ? `[${VIA_V6}]` : VIA;
    const via = `ttun://${encodeURIComponent(KEY)}@${host}:20203`;
    return startPipe(lab.hosts[i], NOTHING, args, { ...NO_KEY, TTUN_VIA: via, ...env });
  };
  await using first = start(0, ["listen", "-v"]);
  const [, ticket = ""] = await first.waitFor(/ttun peer connect (peer:[\w-]+) --via /, MS);
  await using second = start(1, ["connect", "-v"], { TTUN_TICKET: ticket });
  return await runOf(first, second);
}

/** Tells in words how a pair's runs have ended, and whether that is as it should be. */
function judge(runs: readonly Run[], wanted: Expected, isVia: boolean) {
  const direct = runs.filter(({ ms, isRelayed }) => ms !== null && !isRelayed).map(({ ms }) => ms!);
  const relayed = runs.filter(({ ms, isRelayed }) => ms !== null && isRelayed).length;
  const sorted = [...direct].sort((a, b) => a - b);
  const times = sorted.length === 0
    ? ""
    : `, ${sorted[sorted.length >> 1]} ms (${sorted[0]}-${sorted.at(-1)})`;
  const relays = relayed === 0 ? "" : `${direct.length === 0 ? "" : "; "}${relayed} relayed`;
  const words = direct.length + relayed === 0
    ? "no way"
    : `${direct.length === 0 ? "" : `${direct.length} of ${runs.length}${times}`}${relays}`;
  const isRight = wanted === "direct"
    ? direct.length === runs.length
    : wanted === "chance"
    ? !isVia || direct.length + relayed === runs.length
    : direct.length === 0 && relayed === (isVia ? runs.length : 0);
  return { words, isRight };
}

async function pairRow(pair: Pair, most: number): Promise<boolean> {
  await using lab = await viaLab(...pair as [NatKind, NatKind]);
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
    const { words, isRight } = judge(runs, wanted, isVia);
    cells.push(isRight ? words : `**${words}**`);
    if (isRight) continue;
    isAllRight = false;
    for (const { output } of runs) console.error(`${pair.join(", ")}:\n${output}\n`);
  }
  console.log(`| ${pair.join(" | ")} | ${cells.join(" | ")} |`);
  return isAllRight;
}

const [runs = "20", pattern = "."] = Deno.args;
console.log(`| one end | the other | known addresses | --via |\n| --- | --- | --- | --- |`);
const pairs = KINDS.flatMap((one, i) => KINDS.slice(i).map((other): Pair => [one, other]));
let isRight = true;
for (const pair of pairs) {
  if (!new RegExp(pattern).test(pair.join(" "))) continue;
  if (!await pairRow(pair, Number(runs))) isRight = false;
}
Deno.exit(isRight ? 0 : 1);
