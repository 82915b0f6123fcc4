import assert from "node:assert/strict";
import { test } from "../check.ts";
import { loss } from "../netns.ts";
import { descriptorCount, rssMb } from "../proc.ts";
import {
  INNER,
  openTunnel,
  pause,
  ping,
  pingUntil,
  SERVER,
  startServer,
  startTtun,
  transfer,
} from "../e2e/tunnel.ts";

test("a session that nothing comes from any more ends after a minute", async () => {
  await using t = await openTunnel(["--wire", "v1"]);
  await loss(t.server, "veth0", 1);
  await ping(t.client, INNER.server4, { wait: 1 }); // something that is never acknowledged
  await t.clientProcess.waitFor(/no sign of life/, 90_000);
});

test("three minutes of transfers, restarts and refused clients: nothing grows, nothing sticks", async () => {
  await using t = await openTunnel();
  const { pid } = t.serverProcess;
  const state = () => ({ rss: rssMb(pid), descriptors: descriptorCount(pid) });
  const before = { rss: 0, descriptors: 0 };
  const until = performance.now() + 180_000;
  let sessions = 0;
  t.clientProcess.signal("SIGINT");
  await t.clientProcess.status;
  while (performance.now() < until) {
    await using client = startTtun(t.client, "client", "-s", SERVER);
    await client.waitFor(/authenticated/);
    sessions++;
    await using wrong = startTtun(t.client, "client", "--once", "-k", "wrong", "-s", SERVER);
    await wrong.status;
    if (sessions % 10 === 0) assert(await transfer(t, INNER.server4) > 1);
    else await pingUntil(t.client, INNER.server4, 5000);
    client.signal(sessions % 2 === 0 ? "SIGINT" : "SIGKILL");
    await client.status;
    await pause(20);
    if (sessions === 20) Object.assign(before, state());
  }
  const after = state();
  console.log(`${sessions} sessions; server RSS ${before.rss} -> ${after.rss} MB`);
  assert.equal(after.descriptors, before.descriptors);
  assert(after.rss < before.rss + 15, `${before.rss} -> ${after.rss} MB`);
});

test("ten minutes of traffic under loss and cut cables: the tunnel always comes back", async () => {
  await using t = await openTunnel();
  const until = performance.now() + 600_000;
  let cuts = 0;
  const rss = rssMb(t.serverProcess.pid);
  while (performance.now() < until) {
    await transfer(t, INNER.server4, ...(cuts % 2 === 0 ? ["-R"] : []));
    await loss(t.server, "veth0", cuts % 3 === 0 ? 1 : 0.02);
    await pause(3000);
    await t.server.sh("iptables -F; ip6tables -F");
    await pingUntil(t.client, INNER.server4, 20_000);
    cuts++;
  }
  console.log(`${cuts} cuts; server RSS ${rss} -> ${rssMb(t.serverProcess.pid)} MB`);
  assert(cuts > 50);
  assert.equal(
    t.serverProcess.output.match(/ authenticated /g)?.length,
    1,
    "one session for all of it",
  );
});

test("a client waits for ever: a server that comes after three minutes is found", async () => {
  await using t = await openTunnel();
  t.serverProcess.signal("SIGTERM");
  await t.serverProcess.status;
  await pause(180_000);
  await using _again = await startServer(t.server);
  await pingUntil(t.client, INNER.server4, 35_000);
});
