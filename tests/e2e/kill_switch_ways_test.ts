import { deepEqual, doesNotMatch, equal, match, ok } from "node:assert/strict";
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
  WEB,
} from "./gateway_lab.ts";
import { ENV, pause, pingUntil, startServer, ttunCommand } from "./tunnel.ts";

const NAME_SERVER = new URL("../fixture/name_server.ts", import.meta.url).pathname;

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

/** A client that sees these files in place of the machine's own, and has the server by its name. */
async function startWithNames(lab: Lab, folder: string) {
  const [command, args] = ttunCommand("client", "-v", "--no-warm-up", "-s", "vpn.test", ...ALL);
  await Deno.writeTextFile(`${folder}/resolv.conf`, `nameserver ${WEB.v4}\n`);
  // The C library's modules would ask without the mark, and wait in vain.
  await Deno.writeTextFile(`${folder}/nsswitch.conf`, "hosts: mymodule [!UNAVAIL=return] dns\n");
  const mounts = ["resolv.conf", "nsswitch.conf"].map((name) =>
    `touch /etc/${name}; mount --bind ${folder}/${name} /etc/${name}`
  );
  const script = `${mounts.join("\n")}\nexec "$@"`;
  return lab.client.spawn("unshare", ["-m", "sh", "-euc", script, "sh", command, ...args], {
    env: { ...ENV, DENO_NO_UPDATE_CHECK: "1" }, // Deno itself asks for a newer one
  });
}

test("--kill-switch: ttun asks for the server's name beside the tunnel, and nobody else asks there", async () => {
  await using lab = await gatewayLab();
  await using names = lab.router.spawn(Deno.execPath(), ["run", "-A", NAME_SERVER, WEB.v4, "53"]);
  await names.waitFor(/ready/);
  await using server = await startServer(lab.server);
  const folder = await Deno.makeTempDir();
  await using leaks = await Leaks.watch(lab.client);
  await using client = await startWithNames(lab, folder);
  await client.waitFor(/authenticated/);
  const ask = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 5353)); " +
    `s.sendto(b'x' * 40, ('${WEB.v4}', 53))`;
  await lab.client.run("python3", ["-c", ask]);
  // Without a name server, and before one answers, the last address is as good as ever.
  names.signal("SIGKILL");
  server.signal("SIGKILL");
  await client.waitFor(/disconnected/);
  await lab.client.run("python3", ["-c", ask]);
  await using _again = await startServer(lab.server);
  await pingUntil(lab.client, WEB.v4, 10_000);
  const packets = await leaks.stop();
  ok(packets.length > 0);
  for (const line of packets) {
    match(line, /IP 10\.51\.0\.2\.\d+ > 203\.0\.113\.9\.53: .*(A|AAAA)\? vpn\.test/);
  }
  await Deno.remove(folder, { recursive: true });
});

test("--kill-switch: a forged answer for the server's name gets no traffic, and the server is found again", async () => {
  await using lab = await gatewayLab();
  const answering = async (...forged: string[]) => {
    const args = ["run", "-A", NAME_SERVER, WEB.v4, "53", ...forged];
    const names = lab.router.spawn(Deno.execPath(), args);
    await names.waitFor(/ready/);
    return names;
  };
  const names = await answering();
  await using server = await startServer(lab.server);
  const folder = await Deno.makeTempDir();
  await using client = await startWithNames(lab, folder);
  await client.waitFor(/authenticated/);
  names.signal("SIGKILL");
  await names.status;
  const forged = "203.0.113.66";
  await lab.router.sh(`ip address add ${forged}/32 dev lo`);
  await using _forger = await answering(forged);
  await using other = lab.router.spawn("nc", ["-lk", forged, "20203"]);
  await using leaks = await Leaks.watch(lab.client);
  server.signal("SIGKILL");
  await client.waitFor(/disconnected/);
  deepEqual(await reachesWeb(lab.client), [false, false]);
  await pause(1500); // a few attempts
  await using _again = await startServer(lab.server);
  await pingUntil(lab.client, WEB.v4, 20_000);
  for (const line of await leaks.stop()) {
    match(line, /IP 10\.51\.0\.2\.\d+ > 203\.0\.113\.9\.53: .*(A|AAAA)\? vpn\.test/);
  }
  doesNotMatch(client.output, /authenticated.*203\.0\.113\.66/);
  other.signal("SIGTERM");
  await Deno.remove(folder, { recursive: true });
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
