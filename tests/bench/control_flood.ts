/**
 * `deno run -A tests/bench/control_flood.ts [seconds] [MBITS]`: one client of a pool attacks by its
 * own session (tests/hostile/tunnel_client.ts) while another transfers and pings. Prints what the
 * other one keeps of half of what it has alone, which is its fair share, and its pings' p99. The
 * attacker has the lowest priority: elsewhere it is on a machine of its own. Needs
 * root, iperf3 and ping.
 */
import { bridgedHosts } from "../networks.ts";
import { type Attack, ATTACKS } from "../hostile/tunnel_client.ts";
import { format, table } from "./results.ts";
import { quantile } from "./statistics.ts";
import { ENV, spawnTtun } from "./ttun.ts";

const SECONDS = Number(Deno.args[0] ?? 4);
const MBITS = Deno.args[1] ?? "10";
const CIPHER = ["--cipher", "aes-256-gcm"];
const PROGRAM = new URL("../hostile/tunnel_client.ts", import.meta.url).pathname;

interface Found {
  readonly mbits: number;
  readonly p99: number;
  readonly lost: number;
  readonly attacker: string;
}

async function measure(kind: Attack | null): Promise<Found> {
  await using bridged = await bridgedHosts(2);
  await using stack = new AsyncDisposableStack();
  const { server, clients } = bridged;
  const [victim, attacker] = clients as [typeof clients[0], typeof clients[0]];
  const pool = ["--clients", "3", "--pool", "10.9.0.0/24"];
  const listening = stack.use(spawnTtun(server, "server", ...pool, ...CIPHER));
  await listening.waitFor(/listening/);
  const client = stack.use(spawnTtun(victim!, "client", "-s", "192.0.2.1:20203", ...CIPHER));
  await client.waitFor(/authenticated/, 20_000);
  let attacking = null;
  if (kind !== null) {
    const args = [
      "run",
      "-A",
      PROGRAM,
      "192.0.2.1",
      "20203",
      ENV.TTUN_KEY,
      kind,
      `${SECONDS + 3}`,
      MBITS,
    ];
    attacking = stack.use(attacker!.spawn("nice", ["-n", "19", Deno.execPath(), ...args]));
    await attacking.waitFor(/attacking/, 20_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const listener = stack.use(server.spawn("iperf3", ["-s", "-1", "--forceflush"]));
  await listener.waitFor(/listening/i);
  const count = SECONDS * 50;
  const [iperf, pings] = await Promise.all([
    victim!.run("iperf3", ["-c", "10.9.0.1", "-t", `${SECONDS}`, "-J"], { timeoutMs: 60_000 }),
    victim!.run("ping", ["-i", "0.02", "-c", `${count}`, "-w", `${SECONDS + 2}`, "10.9.0.1"]),
  ]);
  const times = [...pings.stdout.matchAll(/time=([0-9.]+) ms/g)].map(([, ms]) => Number(ms));
  if (attacking !== null) await attacking.waitFor(/\{.*\}/, 20_000).catch(() => {});
  return {
    mbits: JSON.parse(iperf.stdout).end.sum_received.bits_per_second / 1e6,
    p99: quantile(times, 0.99),
    lost: count - times.length,
    attacker: /\{.*\}/.exec(attacking?.output ?? "")?.[0] ?? "-",
  };
}

const alone = await measure(null);
const rows = [["nobody", format(alone.mbits, 0), "-", format(alone.p99, 1), `${alone.lost}`, "-"]];
for (const kind of Object.keys(ATTACKS) as Attack[]) {
  const { mbits, p99, lost, attacker } = await measure(kind);
  const share = mbits / (alone.mbits / 2);
  rows.push([kind, format(mbits, 0), format(share, 2), format(p99, 1), `${lost}`, attacker]);
  console.error(rows.at(-1)!.join(", "));
}
const head = ["attack", "Mbit/s", "of the fair share", "ping p99, ms", "pings lost", "attacker"];
console.log(table(head, rows));
