import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import type { Host, Process } from "../netns.ts";
import {
  expectWeb,
  gatewayLab,
  type Lab,
  Leaks,
  reachesWeb,
  startGateway,
  stateOf,
} from "./gateway_lab.ts";
import { ENV, startServer, ttunCommand } from "./tunnel.ts";

const ALL = ["--default-route", "--kill-switch"];

test("--kill-switch: a client that fails leaves it in force; --user keeps it in step and takes it away", async () => {
  await using lab = await gatewayLab();
  await lab.client.sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  const before = await stateOf(lab.client);
  {
    await using client = startGateway(lab, "--kill-switch", "--once");
    equal((await client.status).code, 4);
    match(client.output, /the kill switch stays in force, since ttun was not ended on purpose/);
  }
  deepEqual(await reachesWeb(lab.client), [false, false]);
  await using _server = await startServer(lab.server);
  await using client = startGateway(lab, ...ALL, "--user", "nobody");
  await client.waitFor(/authenticated/);
  await lab.client.sh("ip address add 10.61.0.1/24 dev eth1");
  await client.waitFor(
    /the kill switch follows a change of the network .*10\.61\.0\.0\/24 on eth1/,
  );
  match(await lab.client.sh("nft list ruleset"), /oifname "eth1" ip daddr 10\.61\.0\.0\/24 accept/);
  await lab.client.sh("ip address del 10.61.0.1/24 dev eth1");
  await expectWeb(lab.client);
  client.signal("SIGTERM");
  equal((await client.status).code, 0);
  equal(await stateOf(lab.client), before);
});

/** A folder with the programs of iptables, but without nft. */
async function withoutNft(): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const name of ["iptables", "iptables-restore", "ip6tables", "ip6tables-restore"]) {
    await Deno.symlink(`/usr/sbin/${name}`, `${folder}/${name}`);
  }
  return folder;
}

function startWithPath(lab: Lab, path: string) {
  const end = ["client", "-v", "--no-warm-up", "-s", "192.0.2.1:20203", ...ALL];
  const [command, args] = ttunCommand(...end);
  return lab.client.spawn("env", [`PATH=${path}`, command, ...args], { env: ENV });
}

test("--kill-switch: where there is no nft, iptables does the same", async () => {
  await using lab = await gatewayLab();
  const path = await withoutNft();
  await lab.client.sh(`
    echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter
    for family in iptables ip6tables; do
      $family -w -I OUTPUT -j ACCEPT; $family -w -I FORWARD -j ACCEPT; $family -w -F
      for chain in PREROUTING POSTROUTING; do $family -w -t mangle -I $chain -j ACCEPT; done
      $family -w -t mangle -F
    done`);
  const before = await stateOf(lab.client);
  await using _server = await startServer(lab.server);
  await using client = startWithPath(lab, path);
  await client.waitFor(/program=iptables/);
  await client.waitFor(/authenticated/);
  await using leaks = await Leaks.watch(lab.client);
  await expectWeb(lab.client);
  deepEqual(await reachesWeb(lab.client, "-I", "eth0"), [false, false]);
  deepEqual(await leaks.stop(), []);
  await lab.client.sh("iptables -w -F");
  await client.waitFor(/another program took away or changed the kill switch/);
  deepEqual(await reachesWeb(lab.client, "-I", "eth0"), [false, false]);
  client.signal("SIGTERM");
  equal((await client.status).code, 0);
  equal(await stateOf(lab.client), before);
  await Deno.remove(path, { recursive: true });
});

/** ttun with the permissions of a set of deno.json. */
function runInSet(host: Host, set: string, ...args: string[]): Process {
  const [command, [run, , ...rest]] = ttunCommand(...args);
  return host.spawn(command, [run!, `-P=${set}`, ...rest], { env: ENV });
}

test("--kill-switch: Deno's permission sets are enough, for the repair too", async () => {
  await using lab = await gatewayLab();
  await lab.client.sh("echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter");
  const before = await stateOf(lab.client);
  await using _server = await startServer(lab.server);
  for (const [end, ...more] of [["SIGKILL"], ["SIGTERM", "--user", "nobody"]] as const) {
    const options = ["--no-warm-up", "-s", "192.0.2.1", ...ALL, ...more];
    await using client = runInSet(lab.client, "client", "client", ...options);
    await client.waitFor(/authenticated/);
    await expectWeb(lab.client);
    client.signal(end);
    await client.status;
    if (end === "SIGKILL") {
      await using doctor = runInSet(lab.client, "doctor", "doctor", "--repair");
      await doctor.waitFor(/took away the nftables table/);
      await doctor.status;
    }
    equal(await stateOf(lab.client), before);
  }
});
