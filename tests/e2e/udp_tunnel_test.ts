/** A device over UDP, as a user starts it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { buildEmulator, emulatePath } from "../emulated_path.ts";
import { type Host, twoHosts } from "../netns.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { hasProgram } from "./proxy_targets.ts";
import {
  INNER,
  NO_WARM_UP,
  ping,
  pingUntil,
  SERVER,
  startServer,
  startTtun,
  transfer,
} from "./tunnel.ts";

const LISTEN = "udp://:20203";
const URL = `udp://${SERVER}`;

function startClient(host: Host, ...args: string[]) {
  return startTtun(host, "client", "-v", NO_WARM_UP, "-s", URL, ...args);
}

test("a device over UDP: transfers, another address, another port, new keys, and a clean end", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server, "-l", LISTEN, "--user", "nobody");
  assert.match(server.output, /listening .*address=udp:\/\/:20203/);
  await using client = startClient(hosts.client, "--rekey", "2");
  await client.waitFor(/authenticated.*server=192\.0\.2\.1:20203 protocol=udp wire=v2/);
  await server.waitFor(/authenticated.*protocol=udp.*offload=tcp/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
  assert.equal(await ping(hosts.client, INNER.server4, { size: 1252 }), 3);
  assert.ok(await transfer(hosts, INNER.server4) > 1);
  assert.ok(await transfer(hosts, INNER.server6, "-R") > 1);
  assert.ok(await transfer(hosts, INNER.server4, "-u", "-b", "5M", "-l", "1000") > 1);
  await hosts.client.sh(`
    ip addr del 192.0.2.2/24 dev veth0
    ip addr add 192.0.2.77/24 dev veth0`);
  await pingUntil(hosts.client, INNER.server4, 10_000);
  await pingUntil(hosts.server, INNER.client4, 10_000);
  // A NAT that forgot its mapping gives another port.
  await hosts.client.sh(
    "iptables -t nat -A POSTROUTING -p udp -o veth0 -j MASQUERADE --random-fully",
  );
  await pingUntil(hosts.client, INNER.server4, 10_000);
  for (let i = 0; i < 3; i++) await client.waitFor(new RegExp(`(new keys[^]*){${i + 1}}`));
  assert.equal(await ping(hosts.client, INNER.server6), 3);
  assert.equal(client.output.match(/ authenticated /g)?.length, 1);
  assert.doesNotMatch(client.output, /disconnected|no new keys/);
  assert.doesNotMatch(server.output, /disconnected/);
  client.signal("SIGTERM");
  assert.equal((await client.status).code, 0);
  await server.waitFor(/disconnected.*closed by the client/);
  server.signal("SIGTERM");
  assert.equal((await server.status).code, 0);
});

const hasCc = await hasProgram("cc");

test({
  name: "over a path that loses, doubles and mixes datagrams a device over UDP carries on",
  ignore: !hasCc,
  fn: async () => {
    using files = new TemporaryFiles();
    await using hosts = await twoHosts();
    await using _path = await emulatePath(await buildEmulator(files), hosts, {
      ...{ delayMs: 5, lossPercent: 10, duplicatePercent: 10, reorderPercent: 10, lateMs: 3 },
    });
    await using server = await startServer(hosts.server, "-l", LISTEN);
    const far = ["client", "-v", NO_WARM_UP, "-s", "udp://198.51.100.1:20203"];
    await using client = startTtun(hosts.client, ...far);
    await client.waitFor(/authenticated/);
    await pingUntil(hosts.client, INNER.server4, 20_000);
    assert.ok(await transfer(hosts, INNER.server4) > 0);
    assert.doesNotMatch(server.output + client.output, /disconnected/);
  },
});
