import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { expectWeb, gatewayLab, Leaks, SERVER, stateOf } from "./gateway_lab.ts";
import { BEFORE, end, OwnEtc } from "./own_etc.ts";
import { ping, runTtun, startServer } from "./tunnel.ts";

test("one command at each end: all traffic under the server's address, names inside, nothing beside, all back at the end", async () => {
  await using lab = await gatewayLab();
  const { client, router, server } = lab;
  // The internet knows no way to the tunnel's clients.
  await router.sh("ip route del 10.1.1.0/24; ip -6 route del fc11::/64");
  await server.sh("cd /proc/sys/net; echo 0 >ipv4/ip_forward; echo 0 >ipv6/conf/all/forwarding");
  const before = await Promise.all([stateOf(client), stateOf(server)]);
  const gateway = await startServer(server, "--nat", "auto", "--push-dns", "10.1.1.1");
  await using own = await OwnEtc.make(client);
  const ttun = await own.client(
    ...["-s", `${SERVER.v4}:20203`, "--default-route", "--kill-switch", "--accept-dns"],
  );
  {
    await using leaks = await Leaks.watch(client);
    await expectWeb(client); // the first packets may come before the session carries any
    deepEqual(await leaks.stop(), []);
  }
  equal((await Deno.readTextFile(own.conf)).includes("nameserver 10.1.1.1\n"), true);
  const told = JSON.parse(await own.ttun("status", "--json"));
  equal(told.defaultRoute.isInForce, true, JSON.stringify(told));
  match(told.defaultRoute.beside.join(), /10\.51\.0\.0\/24 on eth0/);
  equal(told.killSwitch, true);
  deepEqual(told.dns, { servers: ["10.1.1.1"], search: [], by: "/etc/resolv.conf" });
  const words = await own.ttun("status");
  match(words, /^ {2}default {6}all traffic goes through the tunnel \(table \d+\), beside it /m);
  const atServer = await runTtun(server, ["status", `server-${gateway.pid}`, "--json"]);
  match(JSON.parse(atServer.stdout).nat.join(), /^\S+ \(IPv4\),\S+ \(IPv6\)$/, atServer.stdout);
  await end(ttun);
  await end(gateway);
  equal(await Deno.readTextFile(own.conf), BEFORE);
  deepEqual(await Promise.all([stateOf(client), stateOf(server)]), before);
});

test("a link is all that a laptop needs, as docs/operate.md has it: places and addresses of a pool, and a way out", async () => {
  await using lab = await gatewayLab();
  const { client, router, server } = lab;
  await router.sh("ip route del 10.1.1.0/24; ip -6 route del fc11::/64");
  const before = await Promise.all([stateOf(client), stateOf(server)]);
  const pools = ["--pool", "10.77.0.0/24", "--pool", "fd77::/64"];
  const gateway = await startServer(server, "--clients", "20", ...pools, "--nat", "auto");
  const folder = await Deno.makeTempDir();
  const link = `${folder}/laptop.link`;
  const shared = await runTtun(server, ["share", SERVER.v4, "--out", link]);
  equal(shared.code, 0, shared.stderr);
  await using own = await OwnEtc.make(client);
  const all = ["--default-route", "--kill-switch", "--dns", "10.77.0.1"];
  const ttun = await own.client("-s", `link:${link}`, ...all);
  await using leaks = await Leaks.watch(client);
  await expectWeb(client);
  equal(await ping(client, "10.77.0.1"), 3);
  deepEqual(await leaks.stop(), []);
  await end(ttun);
  await end(gateway);
  equal(await Deno.readTextFile(own.conf), BEFORE);
  deepEqual(await Promise.all([stateOf(client), stateOf(server)]), before);
  await Deno.remove(folder, { recursive: true });
});
