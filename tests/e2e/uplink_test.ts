import assert from "node:assert/strict";
import { test } from "../check.ts";
import type { Host } from "../netns.ts";
import { routedHosts } from "../networks.ts";
import {
  devices,
  ENV,
  INNER,
  ping,
  pingUntil,
  runTtun,
  startServer,
  startTtun,
  ttunCommand,
} from "./tunnel.ts";

const NAME_SERVER = new URL("../fixture/name_server.ts", import.meta.url).pathname;

/** The server knows the way to the client. */
async function world() {
  await using stack = new AsyncDisposableStack();
  const hosts = stack.use(await routedHosts());
  await hosts.server.sh(`
    ip route add 10.0.0.0/8 via 192.0.2.254
    ip route add fc00::/7 via 2001:db8::fe`);
  stack.move();
  return hosts;
}

test("all traffic through the tunnel: the server is reached beside it, whatever the uplink", async () => {
  await using w = await world();
  await using _server = await startServer(w.server);
  for (
    const [to, server] of [["192.0.2.1:20203", "192.0.2.1"], [
      "[2001:db8::1]:20203",
      "2001:db8::1",
    ]] as const
  ) {
    await using client = startTtun(
      w.client,
      ...["client", "-v", "-s", to],
      ...["--route", "0.0.0.0/0", "--route", "::/0"],
    );
    await client.waitFor(/authenticated/);
    assert.equal(await ping(w.client, INNER.server4), 3);
    assert.match(await w.client.sh("ip route get 203.0.113.5"), /dev ttun0/);
    assert.match(await w.client.sh("ip route get 2001:db8:99::5"), /dev ttun0/);
    assert.match(await w.client.sh(`ip route get ${server}`), /dev eth0/);
    // The uplink changes: the way to the server with it, and the session.
    await w.client.sh(`
      ip route replace default via 10.52.0.1 dev eth1
      ip -6 route replace default via fd52::1 dev eth1
      ip link set eth0 down`);
    await client.waitFor(/connecting again at once/);
    await pingUntil(w.client, INNER.server4, 5000);
    assert.match(await w.client.sh(`ip route get ${server}`), /dev eth1/);
    client.signal("SIGTERM");
    await client.status;
    assert.doesNotMatch(await w.client.sh("ip route; ip -6 route"), new RegExp(`^${server}`, "m"));
    await w.client.sh(`
      ip route del default dev eth1
      ip -6 route del default dev eth1
      ip link set eth0 up
      ip address replace fd51::2/64 dev eth0 nodad
      ip route add default via 10.51.0.1 dev eth0
      ip -6 route add default via fd51::1 dev eth0`);
  }
});

/** The uplink of the client has this address now, and no other. */
const moveTo = (host: Host, address: string) =>
  host.sh(`
    ip address flush dev eth0 scope global
    ip address add ${address}/24 dev eth0
    ip route add default via 10.51.0.1`);

test("the client's address changes, or its network comes back: traffic flows again at once", async () => {
  await using w = await world();
  await using _server = await startServer(w.server);
  await w.client.sh("ip route del default; ip link set eth0 down");
  await using client = startTtun(w.client, "client", "-v", "-s", "192.0.2.1:20203");
  await client.waitFor(/retry_in_seconds=(2|1\.[5-9])/, 10_000);
  await w.client.sh("ip link set eth0 up; ip route add default via 10.51.0.1");
  await client.waitFor(/The way to the server has changed/);
  await pingUntil(w.client, INNER.server4, 3000);

  await moveTo(w.client, "10.51.0.3");
  await client.waitFor(/10\.51\.0\.2 no more; connecting again at once/);
  await pingUntil(w.client, INNER.server4, 3000);

  // Changes that do not concern the way to the server leave the session alone.
  await w.client.sh(`
    ip address add 10.99.0.1/24 dev eth0
    ip link add other0 type veth peer name other1
    ip link set other0 up; ip address add 10.98.0.1/24 dev other0
    ip route add 10.97.0.0/16 dev other0
    ip route add 10.96.0.0/16 dev ttun0
    ip address del 10.99.0.1/24 dev eth0
    ip link del other0
    ip address add 10.51.0.9/24 dev eth0
    ip route replace default via 10.51.0.1 src 10.51.0.9`);

  // By hand the server's network is sent into the tunnel.
  await w.client.sh("ip route add 192.0.2.0/25 dev ttun0");
  await client.waitFor(/the server is reached beside the tunnel/);
  assert.match(await w.client.sh("ip route get 192.0.2.1"), /dev eth0/);
  assert.equal(client.output.match(/ authenticated /g)?.length, 2);
  await w.client.sh("ip route del 192.0.2.0/25 dev ttun0");

  // An outage in which the kernel's pauses between retransmissions have grown.
  await w.client.sh("ip link set eth0 down");
  await ping(w.client, INNER.server4, { count: 10, wait: 2 });
  await w.client.sh("ip link set eth0 up; ip route add default via 10.51.0.1");
  await pingUntil(w.client, INNER.server4, 3000);
  const sessions = client.output.match(/ authenticated /g)?.length;
  assert.ok(sessions === 2 || client.output.includes("it did not outlive an outage"));
});

const ALL = ["--route", "0.0.0.0/1", "--route", "128.0.0.0/1"];

/** A client that finds its server by a name server at the server's address. */
function startByName(host: Host) {
  const [command, args] = ttunCommand("client", "-v", "-s", "vpn.test:20203", ...ALL);
  const script = `
    mount -t tmpfs none /mnt; echo nameserver 192.0.2.1 >/mnt/resolv.conf
    touch /etc/resolv.conf; mount --bind /mnt/resolv.conf /etc/resolv.conf
    exec "$@"`;
  return host.spawn("unshare", ["-m", "sh", "-euc", script, "sh", command, ...args], { env: ENV });
}

test("all traffic through the tunnel, and the name server with it: the server's name is known all the same", async () => {
  await using w = await world();
  await using first = await startServer(w.server);
  await using client = startByName(w.client);
  await client.waitFor(/the device is made when the server's name is known/);
  assert.doesNotMatch((await devices(w.client)).join(), /ttun0/);
  await using names = w.server.spawn(Deno.execPath(), [
    "run",
    "-A",
    NAME_SERVER,
    "192.0.2.1",
    "53",
  ]);
  await names.waitFor(/ready/);
  await client.waitFor(/authenticated/, 20_000);
  assert.equal(await ping(w.client, INNER.server4), 3);
  // Without a session the questions go nowhere.
  first.signal("SIGKILL");
  await first.status;
  await using _second = await startServer(w.server);
  await pingUntil(w.client, INNER.server4, 10_000);

  // The leftovers of a killed client do not hinder the next one, by whatever uplink.
  client.signal("SIGKILL");
  await client.status;
  assert.match(await w.client.sh("ip route get 192.0.2.1"), /via 10\.51\.0\.1 dev eth0/);
  await w.client.sh("ip route del default; ip route add default via 10.52.0.1 dev eth1");
  const up = "ip route add 0.0.0.0/1 dev $TTUN_DEVICE; ip route add 128.0.0.0/1 dev $TTUN_DEVICE";
  // An IPv4 address as one of IPv6: it is no part of ::/0.
  await using again = startTtun(
    w.client,
    ...["client", "-v", "-s", "[::ffff:192.0.2.1]:20203", "--up", up],
    ...["--route", "::/0", "--user", "nobody"],
  );
  await again.waitFor(/authenticated/);
  assert.match(await w.client.sh("ip route get 192.0.2.1"), /via 10\.52\.0\.1 dev eth1/);
  assert.equal(await ping(w.client, INNER.server4), 3);
  assert.doesNotMatch(await w.client.sh("ip -6 route"), /::ffff:/);

  // The server's address in the tunnel: nothing could be sent there.
  const same = ["client", "-s", "192.0.2.1:20203", "--address", "192.0.2.1/24", "--once"];
  const { code, stderr } = await runTtun(w.client, same);
  assert.deepEqual(
    [code, /192\.0\.2\.1 in the tunnel: the server itself/.test(stderr)],
    [2, true],
    stderr,
  );

  // A second client of the same addresses.
  await using other = startTtun(w.client, "client", "-s", "192.0.2.1:20203");
  await other.waitFor(/warn .*ttun1 has 10\.1\.1\.2\/30, and ttun0 has 10\.1\.1\.2\/30/, 15_000);
});
