import { deepEqual, doesNotMatch, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { type Host, twoHosts } from "../netns.ts";
import { ENV, ping, pingUntil, runTtun, startClient, startServer, ttunCommand } from "./tunnel.ts";

/** Addresses behind the server. */
const BEHIND = { v4: "198.51.100.9", v6: "2001:db8:9::9" };

const PUSHED = [
  "198.51.100.0/24",
  "2001:db8:9::/64",
  // These are none that a server may take from a client.
  "128.0.0.0/1",
  "2001::/16",
  "192.0.2.128/25",
  "127.0.0.53/32",
].flatMap((route) => ["--push-route", route]);

async function routesOf(host: Host): Promise<string> {
  return await host.sh("ip route show table all; ip -6 route show table all");
}

async function tunnelRoutes(host: Host): Promise<string[]> {
  const routes = await host.sh("ip route show dev ttun0; ip -6 route show dev ttun0 metric 1024");
  return routes.split("\n").map((line) => line.split(" ")[0]!).filter((to) =>
    /^(198|2001|128|192)/.test(to)
  );
}

test("--accept-routes: what the server pushes is taken while there is a session, but for what is the client's own", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await server.sh(`ip addr add ${BEHIND.v4}/32 dev lo; ip addr add ${BEHIND.v6}/128 dev lo`);
  const before = await routesOf(client);
  const first = await startServer(server, ...PUSHED);
  const ttun = await startClient(client, "--accept-routes");
  await ttun.waitFor(/routes of the server are taken/);
  for (const host of Object.values(BEHIND)) equal(await ping(client, host, { count: 1 }), 1, host);
  deepEqual(await tunnelRoutes(client), ["198.51.100.0/24", "2001:db8:9::/64"]);
  match(ttun.output, /128\.0\.0\.0\/1 that the server pushes is not taken: it is wider than \/8/);
  match(ttun.output, /2001::\/16 .* not taken/);
  match(ttun.output, /192\.0\.2\.128\/25 .* not taken: it takes 192\.0\.2\.0\/24 on veth0/);
  match(ttun.output, /127\.0\.0\.53\/32 .* not taken: it has loopback/);

  first.signal("SIGTERM");
  await ttun.waitFor(
    /routes of the server are taken out +routes=198\.51\.100\.0\/24,2001:db8:9::\/64/,
  );
  deepEqual(await tunnelRoutes(client), []);
  await first.closed;
  await using _second = await startServer(server);
  await pingUntil(client, "10.1.1.1", 10_000);
  deepEqual(await tunnelRoutes(client), []);
  ttun.signal("SIGTERM");
  await ttun.closed;
  equal(await routesOf(client), before);
});

test("without --accept-routes nothing is taken, and the log says that there is something", async () => {
  await using hosts = await twoHosts();
  await using _server = await startServer(hosts.server, ...PUSHED);
  await using ttun = await startClient(hosts.client);
  match(ttun.output, /--accept-routes takes them +routes=198\.51\.100\.0\/24/);
  doesNotMatch(ttun.output, /are taken +routes/);
  deepEqual(await tunnelRoutes(hosts.client), []);
  const many = Array.from({ length: 65 }, (_, i) => ["--push-route", `10.${i}.0.0/16`]).flat();
  const refused = await runTtun(hosts.server, ["server", ...many]);
  deepEqual([refused.code, /at most 64/.test(refused.stderr)], [2, true]);
  const old = await runTtun(hosts.server, ["server", "--wire", "v1", ...PUSHED]);
  deepEqual([old.code, /--push-route/.test(old.stderr)], [2, true]);
});

test("--accept-routes: what a killed client leaves on a device that stays is taken away by doctor --repair", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await client.sh("ip tuntap add dev ttun0 mode tun");
  await using _server = await startServer(server, ...PUSHED);
  const ttun = await startClient(client, "--device", "ttun0", "--accept-routes");
  await ttun.waitFor(/routes of the server are taken/);
  ttun.signal("SIGKILL");
  await ttun.closed;
  deepEqual(await tunnelRoutes(client), ["198.51.100.0/24", "2001:db8:9::/64"]);
  const [command, args] = ttunCommand("doctor", "--repair");
  const { code, stdout } = await client.run(command, args, { env: ENV });
  deepEqual([code, await tunnelRoutes(client)], [0, []], stdout);
  match(stdout, /took away the route to 198\.51\.100\.0\/24 by ttun0/);
});

test("--accept-routes: what overlaps --exclude is not taken", async () => {
  await using hosts = await twoHosts();
  const { server, client } = hosts;
  await using _server = await startServer(server, ...PUSHED);
  const exclude = ["--kill-switch", "--exclude", "198.51.100.7/32"];
  const ttun = await startClient(client, "--accept-routes", ...exclude);
  await ttun.waitFor(/198\.51\.100\.0\/24 .* not taken: it overlaps --exclude 198\.51\.100\.7\/32/);
  await ttun.waitFor(/routes of the server are taken/);
  deepEqual(await tunnelRoutes(client), ["2001:db8:9::/64"]);
  ttun.signal("SIGTERM");
  await ttun.closed;
});
