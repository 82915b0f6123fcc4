/**
 * `deno task bench:status [pairs] [seconds]`: the cost of `ttun status` while a forward has 10 000
 * open connections: the time of an answer at both ends, with and without the list of streams, then a
 * transfer through the same forward by turns: without a request, and with one a second at both ends.
 * Prints medians, and the median of the pairs' ratios with its 95 % interval. By default 12 pairs of
 * 2 seconds: a minute and a half.
 *
 * Needs root and: apt-get install util-linux.
 */
import { ask } from "../../src/cli/status/query.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { forward } from "./forward/ttun.ts";
import type { Pair } from "./proxy/contender.ts";
import type { BulkFound } from "./proxy/found.ts";
import { loadCommand, runLoad, withPair } from "./proxy/measure.ts";
import { format, table } from "./results.ts";
import { median, medianInterval, quantile } from "./statistics.ts";

const CONNECTIONS = 10_000;
const HOLD_MS = 120_000;
/** Until the buffers of what opened the connections are gone. */
const SETTLE_MS = 2000;
const ANSWERS = 50;
const EVERY_MS = 1000;
const WARM_SECONDS = 2;

/** Milliseconds of an answer, and the loss of a transfer, at most. */
const TARGET_MS = 100;
const TARGET_LOSS = 0.03;

const [pairs = 12, seconds = 2] = Deno.args.map(Number);
if (!(pairs > 0) || !(seconds > 0)) {
  throw new Error("Usage: deno task bench:status [pairs] [seconds]");
}
const never = new AbortController().signal;

function socketsOf({ server, client }: Pair): Record<string, string> {
  const path = (role: string, pid: number) => `/run/ttun/${role}-${pid}.sock`;
  return { server: path("server", server!.pid), client: path("client", client!.pid) };
}

/** Milliseconds of one answer. */
async function answerMs(path: string, streams: boolean): Promise<number> {
  const began = performance.now();
  const report = await ask(path, { request: "status", streams }, never);
  const ms = performance.now() - began;
  const open = report?.sessions?.[0]?.streams ?? 0;
  if (open < CONNECTIONS) throw new Error(`${path} tells of ${open} streams`);
  return ms;
}

/** Asks both ends again and again, until it is disposed of. */
function askAlways(paths: readonly string[]): AsyncDisposable {
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      await Promise.all(paths.map((path) => answerMs(path, false)));
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      isOver = true;
      await asking;
    },
  };
}

using files = new TemporaryFiles();
const contender = forward("aes-256-gcm", "-L");
const ready = { ...contender, start: await contender.prepare(files) };
await withPair(ready, async (host, pair) => {
  await using load = host.spawn(...loadCommand(pair, ["hold", CONNECTIONS]));
  await load.waitFor(/held/, HOLD_MS);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const sockets = socketsOf(pair);
  const rows: string[][] = [];
  let worst = 0;
  for (const [role, path] of Object.entries(sockets)) {
    for (const streams of [false, true]) {
      const times: number[] = [];
      for (let i = 0; i < ANSWERS; i++) times.push(await answerMs(path, streams));
      const what = streams ? "with 1000 streams listed" : "alone";
      const ms = [0.5, 0.99].map((q) => quantile(times, q));
      rows.push([role, what, ...ms.map((one) => format(one, 1))]);
      worst = Math.max(worst, ms[1]!);
    }
  }
  console.log(`${table(["end", "answer", "p50, ms", "p99, ms"], rows)}\n`);
  const transfer = async (asks: boolean) => {
    await using _asking = asks ? askAlways(Object.values(sockets)) : null;
    return (await runLoad<BulkFound>(host, pair, ["down", 1, seconds])).mbPerSecond;
  };
  await runLoad<BulkFound>(host, pair, ["down", 1, WARM_SECONDS]);
  const found = { without: [] as number[], asked: [] as number[] };
  for (let turn = 0; turn < pairs; turn++) {
    for (const asks of turn % 2 === 0 ? [false, true] : [true, false]) {
      found[asks ? "asked" : "without"].push(await transfer(asks));
    }
    const [without, asked] = [found.without, found.asked].map((rates) => format(rates.at(-1)!, 0));
    console.error(`pair ${turn + 1} of ${pairs}: ${without} MB/s, asked ${asked} MB/s`);
  }
  const ratios = found.asked.map((rate, i) => rate / found.without[i]!);
  const interval = medianInterval(ratios);
  const cells = [
    format(median(found.without), 0),
    format(median(found.asked), 0),
    format(median(ratios), 3),
    interval.map((end) => format(end, 3)).join(" to "),
  ];
  console.log(table(["MB/s", "asked every second", "ratio", "95 % interval"], [cells]));
  const isQuick = worst <= TARGET_MS;
  const loss = interval[0] > 1 - TARGET_LOSS
    ? "met"
    : interval[1] < 1 - TARGET_LOSS
    ? "missed"
    : "not resolved";
  console.log(
    `\nOver ${CONNECTIONS} open connections, ${pairs} pairs of ${seconds} s. Targets: an answer within ` +
      `${TARGET_MS} ms ${isQuick ? "met" : "missed"}, a loss under ${TARGET_LOSS * 100} % ${loss}.`,
  );
});
