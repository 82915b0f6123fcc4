/**
 * `deno task bench:tun [rounds] [seconds]`: throughput and ping of ttun and its rivals through a
 * tunnel between two network namespaces, all in one run, the programs by turns in every round.
 * Prints medians and their ratios to OpenVPN. Needs root, iperf3, ping, openvpn and openssl
 * (apt-get install iperf3 iputils-ping openvpn openssl).
 */
import { type Host, type Process, twoHosts } from "../netns.ts";
import { makeCertificates, OPENVPN_INNER, startOpenvpn } from "./openvpn.ts";

const ROUNDS = Number(Deno.args[0] ?? 5);
const SECONDS = Deno.args[1] ?? "3";
const PINGS = 500;
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

interface Hosts {
  server: Host;
  client: Host;
}

interface Contender {
  name: string;
  /** The server's address inside. */
  inner: string;
  start(hosts: Hosts): Promise<Process[]>;
}

interface Figures {
  up: number;
  down: number;
  four: number;
  pingP50: number;
  pingAvg: number;
}

function ttun(name: string, ...args: string[]): Contender {
  return {
    name,
    inner: "10.1.1.1",
    start: async ({ server, client }) => {
      const run = (host: Host, ...rest: string[]) =>
        host.spawn(Deno.execPath(), ["run", "-A", MAIN, ...rest, ...args], {
          env: { TTUN_KEY: "a key for the benchmark", STATE_DIRECTORY: "/dev/null/none" },
        });
      const listening = run(server, "server");
      await listening.waitFor(/listening/);
      const connected = run(client, "client", "-s", "192.0.2.1:20203");
      await connected.waitFor(/authenticated/);
      return [listening, connected];
    },
  };
}

async function contenders(folder: string): Promise<Contender[]> {
  const fingerprints = await makeCertificates(folder);
  return [
    {
      name: "OpenVPN TCP, AES-256-GCM",
      inner: OPENVPN_INNER.server,
      start: async ({ server, client }) => {
        const ends = [
          startOpenvpn(server, "server", folder, fingerprints),
          startOpenvpn(client, "client", folder, fingerprints),
        ];
        for (const end of ends) await end.waitFor(/Initialization Sequence Completed/, 20_000);
        return ends;
      },
    },
    ttun("ttun v1, ffi, aes-256-gcm", "--wire", "v1", "-m", "aes-256-gcm", "--io", "ffi"),
    ttun("ttun v1, ffi, chacha20-poly1305", "--wire", "v1", "--io", "ffi"),
    ttun("ttun v1, deno, aes-256-gcm", "--wire", "v1", "-m", "aes-256-gcm", "--io", "deno"),
    ttun("ttun v1, deno, chacha20-poly1305", "--wire", "v1", "--io", "deno"),
    ttun("ttun v2, ffi, aes-256-gcm", "--wire", "v2", "-m", "aes-256-gcm", "--io", "ffi"),
    ttun("ttun v2, ffi, chacha20-poly1305", "--wire", "v2", "--io", "ffi"),
  ];
}

async function measure(contender: Contender): Promise<Figures> {
  await using hosts = await twoHosts();
  await using ends = new AsyncDisposableStack();
  for (const end of await contender.start(hosts)) ends.use(end);
  await iperf(hosts, contender.inner, "-t", "1"); // everybody warm
  const up = await iperf(hosts, contender.inner, "-t", SECONDS);
  const down = await iperf(hosts, contender.inner, "-t", SECONDS, "-R");
  const four = await iperf(hosts, contender.inner, "-t", SECONDS, "-P", "4");
  const times = await pings(hosts.client, contender.inner);
  return {
    up,
    down,
    four,
    pingP50: median(times),
    pingAvg: times.reduce((sum, time) => sum + time, 0) / times.length,
  };
}

async function iperf({ server, client }: Hosts, to: string, ...args: string[]): Promise<number> {
  await using listener = server.spawn("iperf3", ["-s", "-1", "--forceflush"]);
  await listener.waitFor(/listening/i);
  const { code, stdout } = await client.run("iperf3", ["-c", to, "-J", ...args], {
    timeoutMs: 60_000,
  });
  if (code !== 0) throw new Error(`iperf3 failed: ${stdout}`);
  return JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
}

async function pings(host: Host, to: string): Promise<number[]> {
  const { stdout } = await host.run("ping", ["-c", `${PINGS}`, "-i", "0.01", to]);
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  if (times.length < PINGS * 0.99) {
    throw new Error(`Only ${times.length} of ${PINGS} pings were answered`);
  }
  return times;
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const folder = await Deno.makeTempDir();
try {
  const all = await contenders(folder);
  const found = new Map<string, Figures[]>(all.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const contender of all) {
      const figures = await measure(contender);
      found.get(contender.name)!.push(figures);
      const text = Object.entries(figures).map(([key, value]) => `${key} ${value.toPrecision(4)}`);
      console.error(`round ${round}: ${contender.name}: ${text.join(", ")}`);
    }
  }
  const of = (name: string, key: keyof Figures) => median(found.get(name)!.map((f) => f[key]));
  const base = all[0]!.name;
  const cell = (name: string, key: keyof Figures, digits: number) =>
    `${of(name, key).toFixed(digits)} (${(of(name, key) / of(base, key)).toFixed(2)})`;
  console.log(
    "| program | up Mbit/s | down Mbit/s | 4 streams Mbit/s | ping p50 ms | ping mean ms |",
  );
  console.log("|---|---|---|---|---|---|");
  for (const { name } of all) {
    const cells = [
      cell(name, "up", 0),
      cell(name, "down", 0),
      cell(name, "four", 0),
      cell(name, "pingP50", 3),
      cell(name, "pingAvg", 3),
    ];
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
  console.log(`\nMedians of ${ROUNDS} rounds; in brackets the ratio to the first line.`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
