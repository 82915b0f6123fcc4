/**
 * `deno task bench:slow-link [rounds] [seconds]`: what a ping takes from a host behind a gateway
 * while 64 transfers of the same host fill the gateway's tunnel over a link of 50 Mbit/s: of ttun
 * and of OpenVPN TCP by turns. Prints medians. Needs root, tc, iperf3, ping, openvpn and openssl.
 */
import type { Host } from "../netns.ts";
import { hostBehind, slowLink } from "../networks.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { type ReadyContender, requireProgram } from "./contender.ts";
import { prepareField } from "./contenders.ts";
import { iperf } from "./iperf.ts";
import { openvpnName } from "./openvpn.ts";
import { ping, type RoundTrip } from "./ping.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { ttunName } from "./ttun.ts";
import { withTunnel } from "./tunnel.ts";

const ROUNDS = Number(Deno.args[0] ?? 3);
const SECONDS = Number(Deno.args[1] ?? 5);
const LINK_MBITS = 50;
const FLOWS = 64;
/** Until all transfers go at full speed: neither pings nor bytes count before. */
const WARM_SECONDS = 2;
const PING_INTERVAL_MS = 20;
const NAMES = [
  ttunName({ wire: "v2", aead: "native", cipher: "aes-256-gcm" }),
  openvpnName("tcp"),
];

interface Found extends RoundTrip {
  mbits: number;
}

const FIGURES = [
  { key: "p50", name: "ping p50, ms", digits: 0 },
  { key: "p99", name: "ping p99, ms", digits: 0 },
  { key: "mbits", name: "Mbit/s", digits: 1 },
] as const;

function measure(contender: ReadyContender): Promise<Found> {
  const { inner } = contender;
  return withTunnel(contender, null, async ({ server, client }) => {
    await using host = await hostBehind(client, "20");
    await routeBack(server, inner, "10.20.0.0/24");
    for (const end of [server, client]) await slowLink(end, "veth0", LINK_MBITS);
    const args = ["-P", `${FLOWS}`, "-O", `${WARM_SECONDS}`];
    const [{ mbits }, trip] = await Promise.all([
      iperf({ server, client: host }, inner, SECONDS, ...args),
      pingBeside(host, inner),
    ]);
    return { mbits, ...trip };
  });
}

/** Whatever the tunnel's device is called: it is the one with the inner address. */
async function routeBack(server: Host, inner: string, net: string): Promise<void> {
  await server.sh(`
    device=$(ip -o address show to ${inner} | cut -d ' ' -f 2)
    ip route add ${net} dev "$device"`);
}

/** In the time in which the transfers' bytes count. */
async function pingBeside(host: Host, to: string): Promise<RoundTrip> {
  await new Promise((resolve) => setTimeout(resolve, WARM_SECONDS * 1000));
  const count = Math.round(SECONDS * 1000 / PING_INTERVAL_MS);
  return await ping(host, to, { count, intervalMs: PING_INTERVAL_MS });
}

await requireProgram("tc", "iproute2");
await requireProgram("iperf3", "iperf3");
await requireProgram("ping", "iputils-ping");
using files = new TemporaryFiles();
const { contenders, missing } = await prepareField((name) => NAMES.includes(name), files);
for (const sentence of missing) console.error(sentence);
const found = new Map(contenders.map(({ name }) => [name, [] as Found[]]));
for (let round = 1; round <= ROUNDS; round++) {
  for (const contender of contenders) {
    const run = await measure(contender);
    found.get(contender.name)!.push(run);
    const told = FIGURES.map(({ key, name, digits }) => `${name} ${format(run[key], digits)}`);
    console.error(`round ${round}: ${contender.name}: ${told.join(", ")}`);
  }
}

console.log(table(
  ["program", ...FIGURES.map(({ name }) => name)],
  [...found].map(([name, runs]) => [
    name,
    ...FIGURES.map(({ key, digits }) => format(median(runs.map((run) => run[key])), digits)),
  ]),
));
console.log(
  `\nMedians of ${ROUNDS} rounds of ${SECONDS} s: ${FLOWS} transfers over ${LINK_MBITS} Mbit/s.`,
);
