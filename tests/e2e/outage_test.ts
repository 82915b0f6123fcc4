import assert from "node:assert/strict";
import { test } from "../check.ts";
import { cable } from "../netns.ts";
import {
  devices,
  INNER,
  openTunnel,
  pause,
  ping,
  pingUntil,
  SERVER,
  startClient,
  startServer,
  startTtun,
} from "./tunnel.ts";

test("a server killed with -9 leaves no device, and its successor gets the client back", async () => {
  await using t = await openTunnel();
  t.serverProcess.signal("SIGKILL");
  await t.serverProcess.status;
  assert.deepEqual(await devices(t.server), ["lo", "veth0"]);
  await using _again = await startServer(t.server);
  await pingUntil(t.client, INNER.server4, 10_000);
  assert.equal(await ping(t.client, INNER.server6), 3);
});

test("a client killed with -9 leaves no device, and comes back at once", async () => {
  await using t = await openTunnel();
  t.clientProcess.signal("SIGKILL");
  await t.clientProcess.status;
  assert.deepEqual(await devices(t.client), ["lo", "veth0"]);
  await using _again = await startClient(t.client);
  await pingUntil(t.client, INNER.server4, 5000);
});

test("a cable pulled for 20 s: the same session goes on within 8 s", async () => {
  await using t = await openTunnel(["--wire", "v1"]);
  assert.equal(await ping(t.client, INNER.server4), 3);
  await cable(t.server, "veth0", "down");
  // Both ends have something to send, as an interactive session would.
  await Promise.all([
    ping(t.client, INNER.server4, { count: 10, wait: 1 }),
    ping(t.server, INNER.client4, { count: 10, wait: 1 }),
  ]);
  await pause(20_000);
  await cable(t.server, "veth0", "up");
  await pingUntil(t.client, INNER.server4, 8000);
  assert.equal(t.serverProcess.output.match(/ authenticated /g)?.length, 1, "the same session");
});

for (const io of ["ffi", "deno"]) {
  test(`a client that died silently is replaced by the next one: ${io}`, async () => {
    await using t = await openTunnel(["--io", io]);
    // The first client's packets vanish both ways: its kernel can neither answer nor say goodbye.
    await t.client.sh(
      `iptables -A OUTPUT -p tcp --dport 20203 -j DROP; iptables -A INPUT -p tcp --sport 20203 -j DROP`,
    );
    await t.client.sh(`ip addr add 192.0.2.3/24 dev veth0`);
    t.clientProcess.signal("SIGKILL");
    await t.clientProcess.status;
    await t.client.sh(
      `iptables -I OUTPUT -p tcp -s 192.0.2.3 -j ACCEPT; iptables -I INPUT -p tcp -d 192.0.2.3 -j ACCEPT`,
    );
    await t.client.sh(`ip route change 192.0.2.0/24 dev veth0 src 192.0.2.3`);
    const began = performance.now();
    await using second = startTtun(t.client, "client", "--io", io, "-s", SERVER);
    await second.waitFor(/authenticated/, 8000);
    assert(performance.now() - began > 2500, "the first one was given its time");
    await t.serverProcess.waitFor(/disconnected .*silent/);
    await pingUntil(t.client, INNER.server4, 3000);
  });
}

test("a client that cannot reach its server yet connects when it comes", async () => {
  await using t = await openTunnel();
  t.serverProcess.signal("SIGTERM");
  await t.serverProcess.status;
  await t.clientProcess.waitFor(/retry_in_seconds/);
  await pause(1500);
  await using _again = await startServer(t.server);
  await pingUntil(t.client, INNER.server4, 10_000);
});
