import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { Host, linkHosts, type Process } from "../netns.ts";
import {
  expectWeb,
  gatewayLab,
  Leaks,
  reachesWeb,
  repair,
  startGateway,
  stateOf,
  WEB,
} from "./gateway_lab.ts";
import { pause, ping, pingUntil, startServer } from "./tunnel.ts";

const ALL = ["--default-route", "--kill-switch"];

/** Neither a program nor one that chooses the uplink itself reaches the internet. */
async function expectNothingOut(host: Host): Promise<void> {
  deepEqual(await reachesWeb(host, "-W", "0.3"), [false, false]);
  deepEqual(await reachesWeb(host, "-W", "0.3", "-I", "eth0"), [false, false]);
}

/** Stops a process, and waits until none of its threads runs any more. */
async function suspend(process: Process): Promise<void> {
  process.signal("SIGSTOP");
  const states = () =>
    [...Deno.readDirSync(`/proc/${process.pid}/task`)].map(({ name }) =>
      /\) (.)/.exec(Deno.readTextFileSync(`/proc/${process.pid}/task/${name}/stat`))![1]
    );
  while (states().some((state) => state !== "T")) await pause(10);
}

test("--kill-switch: nothing leaves while the server is away, stands still, or after kill -9", async () => {
  await using lab = await gatewayLab();
  const { client: host } = lab;
  const before = await stateOf(host);
  await using first = startGateway(lab, ...ALL);
  await first.waitFor(/nothing leaves this machine outside the tunnel/);
  await first.waitFor(/retry_in_seconds/);
  equal(await ping(host, "10.51.0.1"), 3, "the local network is kept");
  equal(await ping(host, "fd51::1"), 3);
  await using leaks = await Leaks.watch(host);
  await expectNothingOut(host);
  await using server = await startServer(lab.server);
  await first.waitFor(/authenticated/, 20_000);
  await expectWeb(host);
  deepEqual(await reachesWeb(host, "-I", "eth0"), [false, false]);
  await suspend(first);
  await expectNothingOut(host);
  first.signal("SIGCONT");
  await suspend(server);
  await expectNothingOut(host);
  server.signal("SIGKILL");
  await first.waitFor(/disconnected/);
  await expectNothingOut(host);
  await using _again = await startServer(lab.server);
  await pingUntil(host, WEB.v4, 15_000);
  first.signal("SIGKILL");
  await first.status;
  await expectNothingOut(host);
  // The next one takes over, and its end takes away what the killed one has left.
  await using second = startGateway(lab, ...ALL);
  await second.waitFor(/authenticated/, 20_000);
  await expectWeb(host);
  deepEqual(await leaks.stop(), []);
  second.signal("SIGTERM");
  await second.status;
  equal(await stateOf(host), before);
});

test("--kill-switch: it is for hosts behind the client too, and doctor --repair takes it away", async () => {
  await using lab = await gatewayLab();
  await using behind = await Host.create();
  await linkHosts(lab.client, behind, {
    ifname: "eth2",
    v4: ["10.53.0.1/24", "10.53.0.2/24"],
    v6: ["fd53::1/64", "fd53::2/64"],
  });
  await lab.client.sh(`
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip route replace default via 10.51.0.1
    ip -6 route replace default via fd51::1`);
  await lab.router.sh(
    "ip route add 10.53.0.0/24 via 10.51.0.2; ip route add fd53::/64 via fd51::2",
  );
  await behind.sh("ip route add default via 10.53.0.1; ip -6 route add default via fd53::1");
  await expectWeb(behind);
  const before = await stateOf(lab.client);
  await using client = startGateway(lab, "--kill-switch");
  await client.waitFor(/nothing leaves this machine outside the tunnel/);
  await using leaks = await Leaks.watch(lab.client);
  deepEqual(await reachesWeb(behind), [false, false]);
  client.signal("SIGKILL");
  await client.status;
  deepEqual(await reachesWeb(behind), [false, false]);
  deepEqual(await leaks.stop(), []);
  const { code, stdout } = await repair(lab.client);
  equal(code, 0);
  match(stdout, /took away the nftables table inet ttun_\d+_\d+, of process/);
  equal(await stateOf(lab.client), before);
  await expectWeb(behind);
});
