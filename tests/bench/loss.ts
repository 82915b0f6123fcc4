/**
 * `deno task bench:loss [rounds] [seconds]`: what one transfer gets through a tunnel over a path that
 * loses packets, with a round trip of 40 ms and 200 Mbit/s: the tunnel's connection with CUBIC and
 * with what ttun chooses by itself, and no tunnel, each with CUBIC and with BBR inside, by turns.
 * Prints medians and their ratios. Needs root, cc, iperf3 and a kernel with CUBIC and BBR.
 */
import { buildEmulator, emulatePath, type PathOptions } from "../emulated_path.ts";
import { twoHosts } from "../netns.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { requireProgram } from "./contender.ts";
import { iperf } from "./iperf.ts";
import { format, table } from "./results.ts";
import { median } from "./statistics.ts";
import { startTtun, TTUN_INNER } from "./ttun.ts";
import { useReno } from "./unpaced.ts";

const ROUNDS = Number(Deno.args[0] ?? 3);
const SECONDS = Number(Deno.args[1] ?? 8);
/** Until a sender has found the path's rate: bytes do not count before. */
const WARM_SECONDS = 2;

const PATH = { delayMs: 20, rateMbits: 200, queueMs: 60 };
const LOSSES = [0, 1, 3];
/** Of the tunnel's own connection; null is no tunnel. */
const CARRIERS = ["cubic", "auto", null] as const;
/** Of the transfer inside. */
const INNER = ["cubic", "bbr"] as const;
/** Times what a carrier with CUBIC moves, from 1 % on. */
const TARGET = 20;

const OUTER = "198.51.100.1";

type Carrier = typeof CARRIERS[number];
type Inner = typeof INNER[number];

/** Mbit/s with each of INNER. */
async function measure(
  emulator: string,
  carrier: Carrier,
  path: PathOptions,
): Promise<Record<Inner, number>> {
  await using hosts = await twoHosts();
  await useReno(hosts.server, hosts.client); // a socket that has begun with BBR stays paced
  await using owned = new AsyncDisposableStack();
  owned.use(await emulatePath(emulator, hosts, path));
  if (carrier !== null) {
    const options = {
      wire: "v2",
      aead: "native",
      cipher: "aes-256-gcm",
      congestion: carrier,
    } as const;
    for (const { process } of await startTtun(hosts, options, null, OUTER)) owned.use(process);
  }
  const through = async (inner: Inner) => {
    const args = ["-O", `${WARM_SECONDS}`, "-C", inner];
    return (await iperf(hosts, carrier === null ? OUTER : TTUN_INNER, SECONDS, ...args)).mbits;
  };
  return { cubic: await through("cubic"), bbr: await through("bbr") };
}

await requireProgram("cc", "gcc");
await requireProgram("iperf3", "iperf3");
using files = new TemporaryFiles();
const emulator = await buildEmulator(files);
const found = new Map<string, number[]>();
const keyOf = (lossPercent: number, carrier: Carrier, inner: Inner) =>
  `${lossPercent} ${carrier} ${inner}`;
for (let round = 1; round <= ROUNDS; round++) {
  for (const lossPercent of LOSSES) {
    for (const carrier of CARRIERS) {
      const rates = await measure(emulator, carrier, { ...PATH, lossPercent });
      for (const inner of INNER) {
        const key = keyOf(lossPercent, carrier, inner);
        found.set(key, [...found.get(key) ?? [], rates[inner]]);
      }
      const told = INNER.map((inner) => `${inner} ${format(rates[inner], 1)}`).join(", ");
      console.error(`round ${round}: ${lossPercent} %, carrier ${carrier ?? "none"}: ${told}`);
    }
  }
}

const rates = (...row: [number, Carrier, Inner]) => found.get(keyOf(...row))!;
const ratios: number[] = [];
const rows = LOSSES.flatMap((lossPercent) =>
  INNER.map((inner) => {
    const [cubic, auto, none] = CARRIERS.map((carrier) => rates(lossPercent, carrier, inner));
    const ratio = median(auto!.map((mbits, i) => mbits / cubic![i]!));
    if (lossPercent > 0) ratios.push(ratio);
    return [
      `${lossPercent} %`,
      inner,
      ...[cubic!, auto!].map((runs) => format(median(runs), 1)),
      ratio.toPrecision(2),
      format(median(none!), 1),
    ];
  })
);
console.log(table(
  ["loss each way", "inside", "carrier cubic", "carrier auto", "auto / cubic", "no tunnel"],
  rows,
));
console.log(
  `\nMbit/s, medians of ${ROUNDS} rounds of ${SECONDS} s, ratios within a round; ` +
    `${2 * PATH.delayMs} ms, ${PATH.rateMbits} Mbit/s, a queue of ${PATH.queueMs} ms. ` +
    `Target, at least ${TARGET} times cubic with loss: ` +
    `${ratios.every((ratio) => ratio >= TARGET) ? "met" : "missed"}.`,
);
