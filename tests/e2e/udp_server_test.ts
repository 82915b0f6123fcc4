/** A server of a device over UDP, and what comes to it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import {
  INNER,
  NO_WARM_UP,
  ping,
  pingUntil,
  runTtun,
  SERVER,
  startServer,
  startTtun,
} from "./tunnel.ts";

const LISTEN = "udp://:20203";
const URL = `udp://${SERVER}`;

function startClient(host: Host, ...args: string[]) {
  return startTtun(host, "client", "-v", NO_WARM_UP, "-s", URL, ...args);
}

test("over UDP strangers hear nothing, and a second client hears that the place is taken", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server, "-l", LISTEN, "-l", ":20204");
  await server.waitFor(/listening .*:20204/);
  const probe = `
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for size in (0, 1, 16, 24, 25, 100, 1099, 1100, 1200, 1250, 1251, 1400):
    s.sendto(os.urandom(size), ("192.0.2.1", 20203))
try:
    print("answer", s.recv(2000))
except TimeoutError:
    print("silence")
`;
  assert.equal((await hosts.client.run("python3", ["-c", probe])).stdout, "silence\n");
  await using first = startClient(hosts.client);
  await first.waitFor(/authenticated/);
  const second = await runTtun(hosts.client, ["client", "--device", "other", "-s", URL, "--once"]);
  assert.equal(second.code, 10, second.stderr);
  assert.match(second.stderr, /busy/);
  assert.equal(await ping(hosts.client, INNER.server4), 3);
  const forward = await runTtun(hosts.client, ["client", "-L", "1080:a:1", "-s", URL]);
  assert.equal(forward.code, 2);
  assert.match(forward.stderr, /Cannot use udp: here/);
});

test("a server that ends says so, and is found again over UDP", async () => {
  await using hosts = await twoHosts();
  await using client = startClient(hosts.client);
  {
    await using server = await startServer(hosts.server, "-l", LISTEN);
    await client.waitFor(/authenticated/, 30_000);
    await pingUntil(hosts.client, INNER.server4, 10_000);
    server.signal("SIGTERM");
    await server.status;
    await client.waitFor(/The peer closed the connection/);
  }
  await using server = await startServer(hosts.server, "-l", LISTEN);
  await client.waitFor(/( authenticated [^]*){2}/, 40_000);
  await pingUntil(hosts.client, INNER.server4, 10_000);
  assert.match(server.output, /authenticated/);
});

test("over UDP Deno's own sockets do at both ends", async () => {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server, "-l", LISTEN, "--io", "deno");
  await using client = startClient(hosts.client, "--io", "deno");
  await client.waitFor(/authenticated.*protocol=udp/);
  await pingUntil(hosts.client, INNER.server4, 10_000);
  assert.equal(await ping(hosts.server, INNER.client6), 3);
});
