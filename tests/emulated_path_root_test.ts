import assert from "node:assert/strict";
import { test } from "./check.ts";
import { hasProgram } from "./e2e/proxy_targets.ts";
import { buildEmulator, emulatePath, type PathOptions } from "./emulated_path.ts";
import { Host, type TwoHosts } from "./netns.ts";
import { TemporaryFiles } from "./temporary_files.ts";

const hasCc = await hasProgram("cc");
if (!hasCc) console.log("Skipped the path emulator: cc is not installed");

const FIXTURE = new URL("fixture/counted_datagrams.ts", import.meta.url).pathname;
const SERVER = "198.51.100.1";
const PORT = "9";
const COUNT = 2000;

type Run = (hosts: Pick<TwoHosts, "server" | "client">) => Promise<void>;

function pathTest(name: string, path: PathOptions, run: Run): void {
  test({
    name: `emulated path: ${name}`,
    ignore: !hasCc,
    fn: async () => {
      using files = new TemporaryFiles();
      await using server = await Host.create();
      await using client = await Host.create();
      await using _path = await emulatePath(await buildEmulator(files), { server, client }, path);
      await run({ server, client });
    },
  });
}

/**
 * Sends numbers from the client to the server, and returns those that came, in their order. `all`:
 * waits until none is missing, as late ones may come when the sender is done.
 */
async function numbersOver(
  { server, client }: Parameters<Run>[0],
  { all = false } = {},
): Promise<number[]> {
  const args = ["run", "--no-lock", "--allow-net", FIXTURE];
  await using receiver = server.spawn(Deno.execPath(), [...args, "receive", PORT]);
  await receiver.waitFor(/ready/);
  const sent = await client.run(Deno.execPath(), [...args, "send", SERVER, PORT, `${COUNT}`]);
  assert.equal(sent.code, 0, sent.stderr);
  const came = () => receiver.stdout.trim().split("\n").slice(1).map(Number);
  for (let tries = 0; all && tries < 500 && new Set(came()).size < COUNT; tries++) {
    await new Promise((wake) => setTimeout(wake, 20));
  }
  receiver.signal("SIGTERM");
  await receiver.closed;
  return came();
}

/** Lengths of the runs of numbers that never came. */
function runsLost(came: readonly number[]): number[] {
  const seen = new Set(came);
  const runs: number[] = [];
  let run = 0;
  for (let i = 0; i <= COUNT; i++) {
    if (i < COUNT && !seen.has(i)) run++;
    else if (run > 0) runs.push(run), run = 0;
  }
  return runs;
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const assertBetween = (value: number, least: number, most: number) =>
  assert(value >= least && value <= most, `${value} is not ${least} to ${most}`);

pathTest("it takes as long as it was told, each way its own time", {
  delayMs: 30,
  back: { delayMs: 60 },
}, async ({ client }) => {
  const text = await client.sh(`ping -q -c 5 -i 0.2 ${SERVER}`);
  assertBetween(Number(/= ([\d.]+)\//.exec(text)![1]), 90, 1000);
});

pathTest("it loses packets one by one, on the way back alone", {
  back: { lossPercent: 20 },
}, async (hosts) => {
  const runs = runsLost(await numbersOver(hosts));
  assertBetween(sum(runs) / COUNT, 0.15, 0.25);
  assertBetween(sum(runs) / runs.length, 1.05, 1.5);
});

pathTest("it loses packets in bursts", { lossPercent: 20, burst: 8 }, async (hosts) => {
  const runs = runsLost(await numbersOver(hosts));
  assertBetween(sum(runs) / COUNT, 0.04, 0.45);
  assertBetween(sum(runs) / runs.length, 3, 16);
});

pathTest("it doubles packets, and lets others overtake some; none is lost", {
  delayMs: 1,
  duplicatePercent: 10,
  reorderPercent: 10,
  lateMs: 2,
}, async (hosts) => {
  const came = await numbersOver(hosts, { all: true });
  assert.equal(new Set(came).size, COUNT);
  assertBetween((came.length - COUNT) / COUNT, 0.05, 0.15);
  const overtaken = came.filter((number, i) => i > 0 && number < came[i - 1]!).length;
  assertBetween(overtaken / COUNT, 0.01, 0.2);
});

pathTest("it has a rate, and drops what waits longer than its queue", {
  rateMbits: 0.5,
  queueMs: 100,
}, async ({ client }) => {
  const before = Date.now();
  const text = await client.sh(`ping -q -c 50 -l 50 -s 1400 -W 5 ${SERVER} || true`);
  const received = Number(/ (\d+) received/.exec(text)![1]);
  assertBetween(received, 4, 49);
  const each = (1400 + 28 + 18) * 8 / 0.5e3;
  assert(Date.now() - before >= (received - 1) * each);
});
