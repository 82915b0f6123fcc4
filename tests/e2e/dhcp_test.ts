/** A rogue DHCP server hands out routes (option 121) to a client that sends all through a tunnel. */
import { deepEqual, match, ok } from "node:assert/strict";
import { missing } from "../../release/here.ts";
import { test } from "../check.ts";
import type { Host, Process } from "../netns.ts";
import {
  gatewayLab,
  type Lab,
  Leaks,
  reachesWeb,
  startGateway,
  stateOf,
  WEB,
} from "./gateway_lab.ts";
import { pingUntil, startServer } from "./tunnel.ts";

const LEASED = "10.51.0.77";

/** A client that has no answer to three questions is silent for 20 s. */
const LATE_MS = 40_000;

/** All of the internet by halves, and one host of it (RFC 3442). */
const ROGUE = `0.0.0.0/1 10.51.0.1, 128.0.0.0/1 10.51.0.1, ${WEB.v4}/32 10.51.0.1`;

/** Does with a lease as Debian's script for udhcpc does. */
const LEASE_SCRIPT = `#!/bin/sh
case $1 in
deconfig)
  ip -4 address flush dev $interface ;;
bound | renew)
  ip address replace $ip/$mask dev $interface
  ip route replace default via $router dev $interface proto dhcp
  set -- $staticroutes
  while [ $# -ge 2 ]; do
    ip route replace $1 via $2 dev $interface proto dhcp
    shift 2
  done
  echo "leased $ip to $interface with routes: $staticroutes" ;;
esac
`;

const ignore = missing("busybox", "a DHCP server's routes") !== null;

/** The router's DHCP server, which hands out these routes. */
async function startDhcp({ router }: Lab, folder: string, routes = ""): Promise<Process> {
  await Deno.writeTextFile(
    `${folder}/udhcpd.conf`,
    `start ${LEASED}
end ${LEASED}
interface eth0
lease_file ${folder}/leases
pidfile ${folder}/udhcpd.pid
option subnet 255.255.255.0
option router 10.51.0.1
option lease 600
${routes === "" ? "" : `option staticroutes ${routes}`}
`,
  );
  const server = router.spawn("busybox", ["udhcpd", "-f", `${folder}/udhcpd.conf`]);
  await server.waitFor(/started/);
  return server;
}

function startDhcpClient(host: Host, script: string): Process {
  return host.spawn("busybox", ["udhcpc", "-f", "-i", "eth0", "-s", script, "-O", "staticroutes"]);
}

const isDhcp = (line: string) => /\.68 > [\d.]+\.67: BOOTP\/DHCP/.test(line);

for (const options of [["--default-route"], ["--default-route", "--kill-switch"]]) {
  test({
    name: `${
      options.join(" ")
    }: routes of DHCP's option 121, from a real server, lead nothing outside`,
    ignore,
    fn: () => withFolder((folder) => expectNoWayOut(options, folder)),
  });
}

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/script`, LEASE_SCRIPT, { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/leases`, "");
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function expectNoWayOut(options: string[], folder: string): Promise<void> {
  await using lab = await gatewayLab();
  const { client: host } = lab;
  await using server = await startServer(lab.server);
  const honest = await startDhcp(lab, folder);
  await using lease = startDhcpClient(host, `${folder}/script`);
  await lease.waitFor(/leased 10\.51\.0\.77 to eth0 with routes: *$/m, LATE_MS);
  const before = await stateOf(host);
  await using client = startGateway(lab, ...options);
  await client.waitFor(/authenticated/, 20_000);
  await pingUntil(host, WEB.v4, 10_000);
  honest.signal("SIGTERM"); // it writes its leases down
  await honest.status;
  await using _rogue = await startDhcp(lab, folder, ROGUE);
  await using leaks = await Leaks.watch(host);
  lease.signal("SIGUSR1"); // renews the lease, which passes the kill switch
  await lease.waitFor(
    /with routes: 0\.0\.0\.0\/1 10\.51\.0\.1 128\.0\.0\.0\/1 .*203\.0\.113\.9\/32/,
    LATE_MS,
  );
  const main = await host.sh("ip route show table main");
  for (const to of ["0.0.0.0/1", "128.0.0.0/1", WEB.v4]) {
    ok(main.includes(`${to} via 10.51.0.1 dev eth0 proto dhcp`), main);
  }
  await pingUntil(host, WEB.v4, 10_000);
  match(await host.sh(`ip route get ${WEB.v4}`), /dev ttun\d+/);
  if (options.includes("--kill-switch")) {
    server.signal("SIGKILL");
    await client.waitFor(/disconnected/);
    deepEqual(await reachesWeb(host, "-W", "0.3"), [false, false]);
    deepEqual(await reachesWeb(host, "-W", "0.3", "-I", "eth0"), [false, false]);
  }
  const packets = await leaks.stop();
  ok(packets.some(isDhcp), `the lease was renewed outside of the tunnel: ${packets.join("\n")}`);
  deepEqual(packets.filter((line) => !isDhcp(line)), []);
  client.signal("SIGTERM");
  await client.status;
  // Without ttun they lead there: the lab's routes are such as the attack needs.
  match(await host.sh(`ip route get ${WEB.v4}`), /via 10\.51\.0\.1 dev eth0/);
  await host.sh(`
    for to in 0.0.0.0/1 128.0.0.0/1 ${WEB.v4}/32; do ip route del $to via 10.51.0.1 dev eth0; done`);
  deepEqual(await stateOf(host), before);
}
