import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host, type Process } from "../netns.ts";
import { bridgedHosts } from "../networks.ts";
import { ping, pingUntil, runTtun, SERVER, startServer, startTtun } from "./tunnel.ts";

const POOL = ["--pool", "10.9.0.0/24", "--pool", "fd00:9::/64"];

/** A client, and the IPv4 address that it was given. */
async function join(host: Host, ...args: string[]): Promise<{ process: Process; address: string }> {
  const process = startTtun(host, "client", "-s", SERVER, ...args);
  const [, address] = await process.waitFor(/addresses=(10\.9\.0\.\d+)\/24,fd00:9::/);
  await process.waitFor(/authenticated/);
  return { process, address: address! };
}

test("many clients get addresses of the pool and reach the server and each other", async () => {
  await using w = await bridgedHosts(3);
  await using _server = await startServer(w.server, "--clients", "3", ...POOL);
  const members: string[] = [];
  await using stack = new AsyncDisposableStack();
  for (const host of w.clients) {
    const { process, address } = await join(host);
    stack.use(process);
    members.push(address);
  }
  assert.deepEqual(members.toSorted(), ["10.9.0.2", "10.9.0.3", "10.9.0.4"]);
  for (const [i, host] of w.clients.entries()) {
    assert.equal(await ping(host, "10.9.0.1"), 3);
    assert.equal(await ping(host, "fd00:9::1"), 3);
    assert.equal(await ping(host, members[(i + 1) % 3]!), 3);
    assert.equal(await ping(w.server, members[i]!), 3);
  }
});

test("more clients than places are refused with words; a place that is free again is given", async () => {
  await using w = await bridgedHosts(3);
  await using server = await startServer(w.server, "--clients", "2", ...POOL);
  await using first = (await join(w.clients[0]!)).process;
  await using _second = (await join(w.clients[1]!)).process;
  const { code, stderr } = await runTtun(w.clients[2]!, ["client", "-s", SERVER, "--once"]);
  assert.match(stderr, /busy: all 2 places are taken/);
  assert.notEqual(code, 0);
  first.signal("SIGTERM");
  await first.status;
  await using _third = (await join(w.clients[2]!)).process;
  assert.match(server.output, /client turned away/);
});

test("what comes from an address that was not given is dropped, and nobody else is disturbed", async () => {
  await using w = await bridgedHosts(2);
  await using server = await startServer(w.server, "--clients", "2", ...POOL);
  await using liar = (await join(w.clients[0]!)).process;
  await w.clients[0]!.sh(`
    ip address flush dev ttun0
    ip address add 10.9.0.77/24 dev ttun0`);
  await using _honest = (await join(w.clients[1]!)).process;
  assert.equal(await ping(w.clients[0]!, "10.9.0.1", { wait: 1 }), 0);
  assert.equal(await ping(w.clients[1]!, "10.9.0.1"), 3);
  liar.signal("SIGTERM");
  await server.waitFor(/disconnected .*dropped_foreign=[1-9]/);
});

test("a client without offload switches it off for all; when it leaves, it is back", async () => {
  await using w = await bridgedHosts(2);
  await using server = await startServer(w.server, "--clients", "2", ...POOL);
  await using able = await join(w.clients[0]!).then(({ process }) => process);
  assert.match(able.output, /offload=tcp/);
  {
    await using _plain = (await join(w.clients[1]!, "--offload", "off")).process;
    await server.waitFor(/offload for all clients has changed {2}offload=off/);
    assert.equal(await ping(w.clients[0]!, "10.9.0.1"), 3);
  }
  await server.waitFor(/offload for all clients has changed {2}offload=tcp/, 20_000);
  await pingUntil(w.clients[0]!, "10.9.0.1", 5000);
});

test("options for many clients that do not go together are refused", async () => {
  await using host = await Host.create();
  for (
    const [args, words] of [
      [["--clients", "2"], /--pool/],
      [["--clients", "9", "--pool", "10.9.0.0/29"], /it has only 5/],
      [["--clients", "2", "--pool", "10.9.0.0/24", "--wire", "v1"], /--wire v1/],
      [["--clients", "2", "--pool", "10.9.0.0/24", "--pool", "10.8.0.0/24"], /once for IPv4/],
      [["--clients", "2", ...POOL, "--peer-address", "10.9.0.2"], /one client only/],
    ] as const
  ) {
    const { code, stderr } = await runTtun(host, ["server", ...args]);
    assert.deepEqual([code, words.test(stderr)], [2, true], stderr);
  }
});

test("routes into the tunnel are there all the time while the server gives addresses", async () => {
  await using w = await bridgedHosts(1);
  const host = w.clients[0]!;
  await using _server = await startServer(w.server, "--clients", "1", ...POOL);
  await using watch = host.spawn("ip", ["monitor", "route"]);
  const routes = ["192.168.50.0/24", "fd00:50::/64"];
  await using _client =
    (await join(host, ...routes.flatMap((route) => ["--route", route]))).process;
  const table = (await host.run("sh", ["-c", "ip route; ip -6 route"])).stdout;
  for (const route of routes) assert.match(table, new RegExp(`${route} dev ttun0`));
  assert.doesNotMatch(table, /192\.0\.0\.8/);
  const addresses = (await host.run("ip", ["address", "show", "dev", "ttun0"])).stdout;
  assert.doesNotMatch(addresses, /192\.0\.0\.8|10\.1\.1\.2/);
  assert.doesNotMatch(watch.output, /Deleted (192\.168\.50\.0|fd00:50::)/);
});

test("a client without IPv6 takes the IPv4 address, and is told about the other", async () => {
  await using w = await bridgedHosts(1);
  const host = w.clients[0]!;
  await host.sh("echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
  await using _server = await startServer(w.server, "--clients", "1", ...POOL);
  await using client = startTtun(host, "client", "-s", SERVER);
  await client.waitFor(/warn .*fd00:9::2.*IPv6 is switched off/);
  await client.waitFor(/addresses=10\.9\.0\.2\/24\n[^]*authenticated/);
  assert.equal(await ping(host, "10.9.0.1"), 3);
});

test("a server cannot take a client's routes: a wide network, or one that the client is in, is refused", async () => {
  await using w = await bridgedHosts(1);
  const host = w.clients[0]!;
  const serve = (pool: string) => startServer(w.server, "--clients", "1", "--pool", pool);
  {
    await using _server = await serve("11.0.0.0/12");
    const { code, stderr } = await runTtun(host, ["client", "-s", SERVER, "--once"]);
    assert.notEqual(code, 0);
    assert.match(stderr, /11\.0\.0\.2\/12: its network is wider than \/16/);
    await using client = startTtun(
      host,
      "client",
      "-s",
      SERVER,
      "--accept-addresses",
      "11.0.0.0/8",
    );
    await client.waitFor(/addresses=11\.0\.0\.\d\/12\n[^]*authenticated/);
  }
  await host.sh("ip address add 10.9.0.77/24 dev veth0");
  await using _server = await serve("10.9.0.0/24");
  const { stderr } = await runTtun(host, ["client", "-s", SERVER, "--once"]);
  assert.match(stderr, /takes 10\.9\.0\.0\/24 on veth0 from this machine; .*--accept-addresses/);
  assert.match(await host.sh("ip route get 10.9.0.5"), /dev veth0/);
});
