import assert from "node:assert/strict";
import { test } from "../check.ts";
import { cable } from "../netns.ts";
import {
  INNER,
  openTunnel,
  pause,
  ping,
  pingUntil,
  SERVER,
  startServer,
  startTtun,
} from "./tunnel.ts";

test("a stopped client is noticed within 15 s, a newcomer replaces it in 3 s, and it comes back", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  t.clientProcess.signal("SIGSTOP");
  await pause(500);
  const began = performance.now();
  {
    await using second = startTtun(t.client, "client", "--wire", "v2", "-s", SERVER);
    await second.waitFor(/authenticated/, 5000);
    assert(performance.now() - began < 5000);
    await t.serverProcess.waitFor(/disconnected .*silent/);
  }
  t.clientProcess.signal("SIGCONT");
  await pingUntil(t.client, INNER.server4, 25_000);
});

test("a stopped server is noticed within 15 s, and the client is back when it goes on", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  const began = performance.now();
  t.serverProcess.signal("SIGSTOP");
  await t.clientProcess.waitFor(/no sign of life from the peer for 15 s/, 17_000);
  assert(performance.now() - began < 16_000);
  t.serverProcess.signal("SIGCONT");
  await pingUntil(t.client, INNER.server4, 35_000);
});

test("a pulled cable is noticed within 15 s at both ends, and the tunnel is back with it", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  await cable(t.server, "veth0", "down");
  await Promise.all([
    t.serverProcess.waitFor(/no sign of life/, 17_000),
    t.clientProcess.waitFor(/no sign of life/, 17_000),
  ]);
  await cable(t.server, "veth0", "up");
  await pingUntil(t.client, INNER.server4, 20_000);
});

test("a client whose address changes is back on its own", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  await t.client.sh("ip addr del 192.0.2.2/24 dev veth0; ip addr add 192.0.2.9/24 dev veth0");
  await pingUntil(t.client, INNER.server4, 20_000);
  await t.serverProcess.waitFor(/authenticated .*192\.0\.2\.9/);
});

test("a client that was killed, and its successor: in at once, for it is alone", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  t.clientProcess.signal("SIGKILL");
  await t.clientProcess.status;
  await using again = startTtun(t.client, "client", "--wire", "v2", "-s", SERVER);
  await again.waitFor(/authenticated/, 3000);
  assert.equal(await ping(t.client, INNER.server4), 3);
});

test("a restarted server gets its client back within seconds", async () => {
  await using t = await openTunnel(["--wire", "v2"]);
  t.serverProcess.signal("SIGKILL");
  await t.serverProcess.status;
  await using _again = await startServer(t.server, "--wire", "v2");
  await pingUntil(t.client, INNER.server4, 8000);
});
