import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, loss } from "../netns.ts";
import { descriptorCount, rssMb } from "../proc.ts";
import { INNER, openTunnel, pause, ping, pingUntil, type Tunnel } from "../e2e/tunnel.ts";

const MINUTES = 10;

/** Milliseconds of silence until a peer is dead, and those that the client takes to come back. */
const DEAD_TIME = 15_000;
const COME_BACK = 5_000;

/** One iperf3, its longest time without a byte in milliseconds, told by its intervals of 100 ms. */
async function longestGap(t: Tunnel, port: string, seconds: number, ...args: string[]) {
  await using listener = t.server.spawn("iperf3", ["-s", "-1", "--forceflush", "-p", port]);
  await listener.waitFor(/listening/i);
  const all = ["-c", INNER.server4, "-p", port, "-t", `${seconds}`, "-i", "0.1", "-J", ...args];
  const { stdout } = await t.client.run("iperf3", all, { timeoutMs: seconds * 1000 + 60_000 });
  const { intervals } = JSON.parse(stdout);
  let longest = 0;
  let gap = 0;
  for (const { sum } of intervals as { sum: { bytes: number; seconds: number } }[]) {
    gap = sum.bytes === 0 ? gap + sum.seconds * 1000 : 0;
    longest = Math.max(longest, gap);
  }
  return longest;
}

/** Swallows everything on the carrier for up to two seconds, or resets its connection. */
async function cut(t: Tunnel, way: number): Promise<"pause" | "reset"> {
  if (way % 3 !== 0) {
    await loss(t.server, "veth0", 1);
    await pause(200 + 300 * (way % 6));
    await loss(t.server, "veth0", 0);
    return "pause";
  }
  await killCarrier(t.client);
  return "reset";
}

/** Resets the client's connection once there is one. */
async function killCarrier(host: Host): Promise<void> {
  const killed = await host.sh("ss -KHt state established dst 192.0.2.1 dport = 20203");
  if (killed.trim() !== "") return;
  await pause(500); // it is on its way back from the last time
  await killCarrier(host);
}

test(`${MINUTES} minutes of mixed traffic, rekeys and cuts: nothing grows, sticks or is lost`, async () => {
  await using t = await openTunnel(["--wire", "v2", "--rekey", "3"]);
  const until = performance.now() + MINUTES * 60_000;
  const pids = [t.serverProcess.pid, t.clientProcess.pid];
  let before: number[] | null = null;
  let longest = 0;
  const cuts = { pause: 0, reset: 0 };
  for (let round = 1; performance.now() < until; round++) {
    const traffic = [
      longestGap(t, "5201", 20),
      longestGap(t, "5202", 20, "-R", "-P", "4"),
      longestGap(t, "5203", 20, "-u", "-b", "20M", "-l", "1000"),
      ping(t.client, INNER.server6, { count: 100 }),
    ];
    await pause(1000);
    for (let i = 0; i < 4; i++) {
      cuts[await cut(t, 4 * round + i)]++;
      await pause(3500);
    }
    const [up = 0, down = 0] = await Promise.all(traffic);
    longest = Math.max(longest, up, down);
    await pingUntil(t.client, INNER.server4, DEAD_TIME + COME_BACK);
    if (round === 5) before = pids.map(rssMb);
  }
  const after = pids.map(rssMb);
  const sessions = t.serverProcess.output.match(/ authenticated /g)!.length;
  console.log(
    `${cuts.pause} pauses, ${cuts.reset} resets; ${sessions} sessions; longest gap ${longest} ms; ` +
      `RSS ${before?.join(", ")} -> ${after.join(", ")} MB; descriptors ${
        pids.map(descriptorCount)
      }`,
  );
  assert.equal(sessions, 1 + cuts.reset, "a pause ends no session, a reset ends one");
  assert(longest < DEAD_TIME + COME_BACK, `${longest} ms`);
  for (const [i, mb] of after.entries()) assert(mb < before![i]! + 15, `${before} -> ${after} MB`);
  for (const process of [t.serverProcess, t.clientProcess]) {
    assert.doesNotMatch(process.output, /internal|bug in ttun/);
  }
});
