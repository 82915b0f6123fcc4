/** Ends of QUIC that nobody says: a server that is killed, and dials that nothing answers. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, type Process, twoHosts } from "../netns.ts";
import { NO_WARM_UP, SERVER, startServer, startTtun } from "./tunnel.ts";

function startClient(host: Host, url: string, ...args: string[]): Process {
  const forward = ["-L", "127.0.0.1:7000:127.0.0.1:8000"];
  return startTtun(host, "client", "-v", "--no-tun", NO_WARM_UP, "-s", url, ...forward, ...args);
}

test("a killed server is noticed by QUIC itself, before the link's own time is over", async () => {
  await using hosts = await twoHosts();
  await using server = await startServer(hosts.server, "--no-tun", "-l", "quic://:20203");
  const [, cert] = /quic:\/\/[^\s"]*\?(cert=[^\s"]+)/.exec(server.output)!;
  await using client = startClient(hosts.client, `quic://${SERVER}?${cert}`, "--retries", "0");
  await client.waitFor(/authenticated/);
  server.signal("SIGKILL");
  await server.status;
  assert.notEqual((await client.status).code, 0);
  assert.match(client.output, /Lost the connection with 192\.0\.2\.1:20203: connection lost/);
});

test("Ctrl-C ends a dial by QUIC that nothing answers, and so does the time", async () => {
  await using hosts = await twoHosts();
  await hosts.server.sh("iptables -w -A INPUT -p udp -j DROP");
  const url = `quic://${SERVER}`;
  await using stopped = startClient(hosts.client, url);
  await stopped.waitFor(/connecting/);
  stopped.signal("SIGINT");
  assert.equal((await stopped.status).code, 0);
  await using late = startClient(hosts.client, url, "--retries", "0");
  assert.notEqual((await late.status).code, 0);
  assert.match(late.output, /Cannot connect to 192\.0\.2\.1:20203: no answer within \d+ s/);
});
