import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
import { test } from "../check.ts";
import {
  expectWeb,
  gatewayLab,
  Leaks,
  repair,
  SERVER,
  startGateway,
  startGatewayTo,
  stateOf,
  WEB,
} from "./gateway_lab.ts";
import { pause, ping, pingUntil, runTtun, startServer } from "./tunnel.ts";

test("--default-route: all traffic goes through the tunnel, and is back as before at the end", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  const before = await stateOf(lab.client);
  await using client = startGateway(lab, "--default-route");
  await client.waitFor(/authenticated/);
  match(client.output, /all traffic goes through the tunnel .*beside=.*10\.51\.0\.0\/24 on eth0/);
  equal(await ping(lab.client, "10.51.0.1"), 3, "the local network is kept");
  equal(await ping(lab.client, "fd51::1"), 3);
  // Another program takes the device's link away for a moment, and its routes with it.
  await lab.client.sh("ip link set ttun0 down");
  await client.waitFor(/put back what another program has taken/);
  await pingUntil(lab.client, WEB.v4, 3000);
  await pingUntil(lab.client, WEB.v6, 3000);
  await using leaks = await Leaks.watch(lab.client);
  await expectWeb(lab.client);
  // Other programs reach the server itself through the tunnel.
  equal(await ping(lab.client, SERVER.v4), 3);
  equal(await ping(lab.client, SERVER.v6), 3);
  // Routes of DHCP's option 121, and networks that an access point says are its own.
  await lab.client.sh(`
    ip address add 10.99.0.77/8 dev eth0
    ip address add 203.0.113.77/24 dev eth0
    ip address add 2001:db8:99::77/64 dev eth0 nodad
    ip route add ${WEB.v4}/32 via 10.51.0.1 dev eth0 proto dhcp
    ip route add ${WEB.v6}/128 via fd51::1 dev eth0 proto ra
    ip route add 0.0.0.0/1 via 10.51.0.1 proto dhcp
    ip route add 10.1.1.1/32 via 10.51.0.1 dev eth0 proto dhcp`);
  match(await lab.client.sh("ip route show 0.0.0.0/1"), /via 10.51.0.1 dev eth0/);
  await pause(200); // a change is followed in 50 ms
  await expectWeb(lab.client);
  equal(await ping(lab.client, "10.1.1.1"), 3);
  deepEqual(await leaks.stop(), []);
  await lab.client.sh(`
    ip route del 0.0.0.0/1
    ip route del 10.1.1.1/32
    ip route del ${WEB.v4}/32
    ip route del ${WEB.v6}/128
    ip address del 10.99.0.77/8 dev eth0
    ip address del 203.0.113.77/24 dev eth0
    ip address del 2001:db8:99::77/64 dev eth0`);
  client.signal("SIGTERM");
  equal((await client.status).code, 0);
  doesNotMatch(client.output, /Cannot follow a change/);
  equal(await stateOf(lab.client), before);
});

test("--default-route: a transfer goes on when the uplink changes its address, and for another uplink", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  await using client = startGateway(lab, "--default-route", "--exclude", "198.51.100.0/24");
  await client.waitFor(/authenticated/);
  await pingUntil(lab.client, WEB.v4, 3000);
  const bytes = 3_000_000;
  await using _sender = lab.router.spawn("sh", [
    "-c",
    `for part in 1 2 3; do head -c ${bytes / 3} /dev/zero; sleep 1; done | nc -N -l ${WEB.v4} 8080`,
  ]);
  await using receiver = lab.client.spawn("sh", ["-c", `sleep 0.3; nc -d ${WEB.v4} 8080 | wc -c`]);
  await pingUntil(lab.client, WEB.v4, 3000);
  await lab.client.sh(`
    ip address flush dev eth0 scope global
    ip address add 10.51.0.77/24 dev eth0
    ip route add default via 10.51.0.1 dev eth0`);
  await client.waitFor(/10\.51\.0\.2 no more; connecting again at once/);
  await pingUntil(lab.client, WEB.v4, 3000);
  await lab.client.sh(`
    ip link set eth0 down
    ip route add default via 10.52.0.1 dev eth1`);
  await client.waitFor(/connecting again at once[^]*connecting again at once/);
  await receiver.closed;
  equal(Number(receiver.output), bytes);
  match(await lab.client.sh(`ip route get ${WEB.v4}`), /dev ttun0/);
  match(await lab.client.sh("ip route get 198.51.100.7"), /via 10\.52\.0\.1 dev eth1/);
  match(await lab.client.sh("ip route get 10.52.0.1"), /dev eth1/);
});

test("--default-route: without an IPv6 address of the server's, IPv6 is refused at once", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server, "--pool", "10.1.1.0/24");
  await using client = startGateway(lab, "--default-route");
  await client.waitFor(/addresses .*10\.1\.1\./);
  await pingUntil(lab.client, WEB.v4, 3000);
  const { code, stderr } = await lab.client.run("ping", ["-c", "1", WEB.v6], { timeoutMs: 900 });
  equal(code, 2);
  match(stderr, /No route|unreachable/i);
});

test("--default-route: after kill -9 the next start, or doctor --repair, takes everything away", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  // A strict rp_filter takes marks on the answers, and a setting.
  await lab.client.sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  const before = await stateOf(lab.client);
  for (const [next, to] of [["doctor", SERVER.v4], ["start", SERVER.v6]] as const) {
    await using client = startGatewayTo(lab, to, "--default-route");
    await client.waitFor(/authenticated/);
    await expectWeb(lab.client);
    match(await lab.client.sh("nft list ruleset"), /ct mark/);
    client.signal("SIGKILL");
    await client.status;
    ok(await stateOf(lab.client) !== before);
    if (next === "doctor") {
      const { code, stdout } = await repair(lab.client);
      equal(code, 0);
      match(stdout, /^took away net\.ipv4\.conf\.all\.src_valid_mark = 1, of process \d+$/m);
      equal((await repair(lab.client)).stdout, "No killed ttun has left anything here\n");
    } else {
      const { code } = await runTtun(lab.client, ["client", "--once", "-s", "192.0.2.1:9"]);
      equal(code, 4);
    }
    equal(await stateOf(lab.client), before);
  }
});

test("--default-route: where IPv6 is switched off, it is for IPv4", async () => {
  await using lab = await gatewayLab();
  await using _server = await startServer(lab.server);
  await lab.client.sh(`
    for link in all default lo eth0 eth1; do
      echo 1 >/proc/sys/net/ipv6/conf/$link/disable_ipv6
    done`);
  const before = await stateOf(lab.client);
  await using client = startGateway(lab, "--default-route", "--kill-switch");
  await client.waitFor(/authenticated/);
  equal(await ping(lab.client, WEB.v4), 3);
  client.signal("SIGINT");
  equal((await client.status).code, 0);
  equal(await stateOf(lab.client), before);
});
