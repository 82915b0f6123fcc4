import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "../check.ts";
import { Host, linkHosts, twoHosts } from "../netns.ts";
import { hostBehind } from "../networks.ts";
import { ENV, pause, startClient, startServer, ttunCommand } from "./tunnel.ts";

const WEB = { v4: "198.51.100.9", v6: "2001:db8:9::9" };
const UPLINK = { v4: "198.51.100.1", v6: "2001:db8:9::1" };
const BYTES = 300_000;

/** Tells each client its address, and sends it some full packets. */
const WEB_SERVER = `
import socket, sys
s = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
  c, a = s.accept()
  c.sendall(a[0].replace("::ffff:", "").encode() + b"\\n" + bytes(${BYTES}))
  c.close()`;

const BROWSER = `
import socket, sys
c = socket.create_connection((sys.argv[1], 80), 5); c.settimeout(5); got = b""
while b := c.recv(1 << 16): got += b
print(got.split(b"\\n")[0].decode(), len(got) > ${BYTES})`;

/** Names whether a connection to a port that nobody listens on was answered. */
const KNOCK = `
import socket, sys
try: socket.create_connection((sys.argv[1], 9), 1)
except ConnectionRefusedError: print("answered")
except TimeoutError: print("silent")`;

/** Advertises itself as a router on a link. */
const ROUTER = `
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([134, 0, 0, 0, 64, 0, 7, 8] + [0] * 8),
  ("ff02::1", 0, 0, socket.if_nametoindex(sys.argv[1])))`;

interface Lab extends AsyncDisposable {
  /** Has its clients' carrier on veth0, and its way to the internet on wan0. */
  readonly server: Host;
  readonly client: Host;
  /** A neighbour on the server's uplink. */
  readonly web: Host;
  /** Behind the client, whose packets are longer than the tunnel's. */
  readonly left: Host;
}

/** A host of the internet knows no way to the tunnel's addresses. */
async function openLab(): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const { server, client } = stack.use(await twoHosts());
  const web = stack.use(await Host.create());
  await linkHosts(server, web, {
    ifname: "wan0",
    v4: [`${UPLINK.v4}/24`, `${WEB.v4}/24`],
    v6: [`${UPLINK.v6}/64`, `${WEB.v6}/64`],
  });
  await server.sh(`ip route add default via ${WEB.v4}; ip -6 route add default via ${WEB.v6}`);
  const left = stack.use(await hostBehind(client, "20"));
  for (const host of [server, client]) {
    await host.sh(`
      iptables -w -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP
      ip6tables -w -A OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j DROP`);
  }
  // Settings that the kernel changes with the switch of forwarding.
  await server.sh(`
    cd /proc/sys/net/ipv4/conf; echo 0 >all/accept_redirects; echo 1 >veth0/forwarding
    echo 1 >/proc/sys/net/ipv6/conf/veth0/forwarding`);
  const served = stack.use(web.spawn("python3", ["-c", WEB_SERVER]));
  await served.waitFor(/ready/);
  const owned = stack.move();
  const disposeAsync = async () => {
    await removeEmptyFiles(server);
    await owned.disposeAsync();
  };
  return { server, client, web, left, [Symbol.asyncDispose]: disposeAsync };
}

/** Of killed servers and of those with --user, /run has them until the machine boots. */
async function removeEmptyFiles(host: Host): Promise<void> {
  const [command, args] = ttunCommand("doctor", "--repair");
  await host.run(command, args, { env: ENV });
  await host.sh("rm -f /run/ttun/forwarding-*-$(stat -Lc %i /proc/self/ns/net).lock");
}

/** Filters and settings, byte for byte. */
async function stateOf(host: Host): Promise<string> {
  return await host.sh(`
    nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*//'
    cd /proc/sys/net && grep -r . ipv4/conf ipv6/conf ipv4/ip_forward 2>/dev/null | sort`);
}

async function browse(from: Host, to: string): Promise<string> {
  const { stdout, stderr } = await from.run("python3", ["-c", BROWSER, to]);
  return stdout + stderr;
}

const ENV_WORDS = Object.entries({ ...ENV, HOME: "/root" }).map(([name, value]) =>
  `${name}=${value}`
);

const NETWORKS = ["--route", "198.51.100.0/24", "--route", "2001:db8:9::/64"];
const BEHIND = ["--route", "10.20.0.0/24", "--route", "fd20::/64"];

test("--nat: a host behind the client browses under the server's address, over a path that drops long packets", async () => {
  await using lab = await openLab();
  const before = await stateOf(lab.server);
  const server = await startServer(lab.server, "--nat", "auto", ...BEHIND);
  match(server.output, /uplinks="?wan0 \(IPv4\), wan0 \(IPv6\)/);
  {
    await using _client = await startClient(lab.client, ...NETWORKS);
    equal(await browse(lab.left, WEB.v4), `${UPLINK.v4} True\n`);
    equal(await browse(lab.left, WEB.v6), `${UPLINK.v6} True\n`);
    equal(await browse(lab.client, WEB.v4), `${UPLINK.v4} True\n`);
  }
  // The interface of the default route changes.
  await lab.server.sh(`
    ip link add wan1 type veth peer name wan2; ip link set wan1 up; ip link set wan2 up
    ip route replace default dev wan1`);
  await server.waitFor(/the way of clients has changed +uplinks="wan1 \(IPv4\), wan0 \(IPv6\)"/);
  match(
    await lab.server.sh("nft list ruleset"),
    /oifname "wan1" ip saddr 10\.1\.1\.0\/30 masquerade/,
  );
  await lab.server.sh("ip link del wan1");
  server.signal("SIGTERM");
  equal((await server.status).code, 0);
  equal(await stateOf(lab.server), before);
});

test("--nat: a neighbour on the uplink that sends packets for the tunnel's networks reaches no client", async () => {
  await using lab = await openLab();
  await lab.web.sh(`
    ip route add 10.1.1.0/30 via ${UPLINK.v4}; ip -6 route add fc11::/126 via ${UPLINK.v6}`);
  const knock = async (to: string) =>
    (await lab.web.run("python3", ["-c", KNOCK, to])).stdout.trim();
  const server = await startServer(lab.server, "--nat", "auto");
  await using _client = await startClient(lab.client, ...NETWORKS);
  deepEqual([await knock("10.1.1.2"), await knock("fc11::2")], ["silent", "silent"]);
  // The client's own connections have their answers.
  equal(await browse(lab.client, WEB.v6), `${UPLINK.v6} True\n`);
  // A port that the administrator forwards to a client stays open.
  await lab.server.sh("iptables -w -t nat -A PREROUTING -i wan0 -p tcp -j DNAT --to 10.1.1.2");
  equal(await knock(UPLINK.v4), "answered");
  // Rules that another program flushes are put back.
  await lab.server.sh("nft flush ruleset");
  await server.waitFor(/another program took away or changed the rules of --nat/);
  equal(await knock("10.1.1.2"), "silent");
  server.signal("SIGTERM");
  await server.closed;
});

test("--nat: default routes that routers advertise outlive it, also those of other links", async () => {
  await using lab = await openLab();
  await linkHosts(lab.server, lab.web, {
    ifname: "lan0",
    v4: ["10.61.0.1/24", "10.61.0.2/24"],
    v6: ["fd61::1/64", "fd61::2/64"],
  });
  const routes = () => lab.server.sh("ip -6 route show default proto ra");
  const { code, stderr } = await lab.web.run("python3", ["-c", ROUTER, "lan0"]);
  equal(code, 0, stderr);
  for (let tries = 0; tries < 50 && await routes() === ""; tries++) await pause(20);
  match(await routes(), /dev lan0/);
  const before = await stateOf(lab.server);
  const server = await startServer(lab.server, "--nat", "wan0");
  match(await routes(), /dev lan0/);
  server.signal("SIGTERM");
  await server.closed;
  match(await routes(), /dev lan0/);
  equal(await stateOf(lab.server), before);
});

test("--nat: what a killed server leaves is taken away by ttun doctor --repair", async () => {
  await using lab = await openLab();
  const before = await stateOf(lab.server);
  const server = await startServer(lab.server, "--nat", "wan0");
  server.signal("SIGKILL");
  await server.closed;
  const [command, args] = ttunCommand("doctor", "--repair");
  const { code, stdout } = await lab.server.run(command, args, { env: ENV });
  deepEqual([code, await stateOf(lab.server)], [0, before], stdout);
  match(stdout, /took away net\.ipv4\.ip_forward = 1/);
  match(stdout, /took away the nftables table inet ttun_nat_/);
});

test("--nat with --user: forwarding stays on until the last server of the machine ends", async () => {
  await using lab = await openLab();
  const before = await stateOf(lab.server);
  const read = () =>
    lab.server.sh("cd /proc/sys/net; cat ipv4/ip_forward ipv6/conf/all/forwarding");
  const user = ["--nat", "wan0", "--user", "nobody"];
  const first = await startServer(lab.server, ...user);
  const second = await startServer(
    lab.server,
    ...[...user, "-l", ":20204", "--address", "10.2.1.1/30", "--address", "fc12::1/126"],
  );
  for (const server of [first, second]) await server.waitFor(/became another user/);
  first.signal("SIGTERM");
  await first.closed;
  equal(await read(), "1\n1\n");
  second.signal("SIGTERM");
  await second.closed;
  equal(await read(), "0\n0\n", first.output + second.output);
  equal(await stateOf(lab.server), before);
});

test("--nat: without nft it is done by iptables; an interface that is not there is refused", async () => {
  await using lab = await openLab();
  const before = await stateOf(lab.server);
  const [command, args] = ttunCommand("server", "--nat", "wan7");
  const refused = await lab.server.run(command, args, { env: ENV });
  match(refused.stderr, /no such interface/);
  equal(refused.code, 2);
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["iptables", "ip6tables", "iptables-restore", "ip6tables-restore"]) {
      const path = (await lab.server.sh(`command -v ${name}`)).trim();
      await Deno.symlink(path, `${folder}/${name}`);
    }
    const [command, args] = ttunCommand("server", "-v", "--no-warm-up", "--nat", "wan0", ...BEHIND);
    const inFolder = ["-i", ...ENV_WORDS, `PATH=${folder}`, command, ...args];
    await using server = lab.server.spawn("/usr/bin/env", inFolder);
    await server.waitFor(/listening/);
    match(server.output, /program=iptables/);
    {
      await using _client = await startClient(lab.client, ...NETWORKS);
      equal(await browse(lab.left, WEB.v4), `${UPLINK.v4} True\n`);
      equal(await browse(lab.left, WEB.v6), `${UPLINK.v6} True\n`);
    }
    server.signal("SIGTERM");
    await server.closed;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const chains = (text: string) => text.split("\n").filter((line) => /ttun/.test(line));
  deepEqual(chains(await stateOf(lab.server)), chains(before));
});
