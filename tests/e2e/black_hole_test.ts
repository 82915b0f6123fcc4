import assert from "node:assert/strict";
import { test } from "../check.ts";
import { Host, linkHosts, type Process } from "../netns.ts";
import { ENV, INNER, ttunCommand } from "./tunnel.ts";

const MTU = 1300;
const SERVER = { v4: "198.51.100.2", v6: "2001:db8:2::2" };
const BYTES = 2_000_000;
const PORT = 5001;

interface BlackHole extends AsyncDisposable {
  readonly server: Host;
  readonly client: Host;
}

/**
 * client – router – server, of which the router drops what is longer than MTU, either way, and says
 * nothing. It is the kernel's own forwarding that drops: super-packets are judged by their segments.
 */
async function blackHole(): Promise<BlackHole> {
  await using stack = new AsyncDisposableStack();
  const client = stack.use(await Host.create());
  const router = stack.use(await Host.create());
  const server = stack.use(await Host.create());
  await linkHosts(client, router, {
    v4: ["192.0.2.2/24", "192.0.2.1/24"],
    v6: ["2001:db8:1::2/64", "2001:db8:1::1/64"],
    ifname: "near0",
  });
  await linkHosts(router, server, {
    v4: ["198.51.100.1/24", "198.51.100.2/24"],
    v6: ["2001:db8:2::1/64", "2001:db8:2::2/64"],
    ifname: "far0",
  });
  await client.sh("ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8:1::1");
  await server.sh(
    "ip route add default via 198.51.100.1; ip -6 route add default via 2001:db8:2::1",
  );
  await router.sh(`
    echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    iptables -w -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP
    ip6tables -w -A OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j DROP
    ip route add 192.0.2.2/32 dev near0 mtu lock ${MTU}
    ip route add 198.51.100.2/32 dev far0 mtu lock ${MTU}
    ip -6 route add 2001:db8:1::2/128 dev near0 mtu lock ${MTU}
    ip -6 route add 2001:db8:2::2/128 dev far0 mtu lock ${MTU}`);
  const ping = (size: number) =>
    client.run("ping", ["-c", "1", "-W", "1", "-M", "do", "-s", `${size}`, SERVER.v4]);
  assert.equal((await ping(MTU - 28)).code, 0, "what just fits passes");
  const lost = await ping(MTU - 27);
  assert.equal(lost.code, 1);
  assert.doesNotMatch(lost.stdout + lost.stderr, /too long|fragmentation|mtu/i);
  const owned = stack.move();
  return { server, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function start(host: Host, ...args: string[]): Promise<Process> {
  const [command, rest] = ttunCommand(...args);
  const process = host.spawn(command, rest, { env: ENV });
  await process.waitFor(args[0] === "server" ? /listening/ : /authenticated/);
  return process;
}

const SINK = `
import socket
s = socket.create_server(("ADDRESS", ${PORT})); print("ready", flush=True); c, _ = s.accept(); n = 0
while b := c.recv(1 << 16): n += len(b)
c.sendall(b"%d" % n)`;

const SOURCE = `
import socket
c = socket.create_connection(("ADDRESS", ${PORT})); c.sendall(bytes(${BYTES})); c.shutdown(1)
print(c.recv(100).decode())`;

/** Sends 2 MB through the tunnel; how long that took, in milliseconds. */
async function transfer(from: Host, to: Host, address: string): Promise<number> {
  await using sink = to.spawn("python3", ["-c", SINK.replace("ADDRESS", address)]);
  await sink.waitFor(/ready/);
  const began = performance.now();
  const sent = await from.run("python3", ["-c", SOURCE.replace("ADDRESS", address)]);
  assert.equal(sent.stdout, `${BYTES}\n`, sent.stderr);
  return performance.now() - began;
}

for (const [family, direction] of [["v4", "up"], ["v6", "down"]] as const) {
  test(`a router that drops long packets in silence: 2 MB ${direction} over ${family} pass within 10 s`, async () => {
    await using t = await blackHole();
    await using _server = await start(t.server, "server", "-v");
    const at = family === "v4" ? `${SERVER.v4}:20203` : `[${SERVER.v6}]:20203`;
    await using client = await start(t.client, "client", "-v", "-s", at);
    const ms = direction === "up"
      ? await transfer(t.client, t.server, INNER.server4)
      : await transfer(t.server, t.client, INNER.client4);
    assert(ms < 10_000, `${ms} ms\n${client.output}`);
    assert.match(client.output, /Full segments do not pass .* with 1220 bytes/);
  });
}

test("with --segment-size at one end no connection is lost on such a path", async () => {
  await using t = await blackHole();
  await using _server = await start(t.server, "server", "--segment-size", "1240");
  await using client = await start(t.client, "client", "-s", `${SERVER.v4}:20203`);
  await transfer(t.client, t.server, INNER.server4);
  await transfer(t.server, t.client, INNER.client4);
  assert.equal(client.output.match(/authenticated/g)?.length, 1, client.output);
});
