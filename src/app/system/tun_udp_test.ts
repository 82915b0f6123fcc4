import assert from "node:assert/strict";
import type { OnWire } from "../../../tests/fake/memory_udp.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import { errorOf, ipPacket, type Running, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { parseCidr } from "../../base/addr.ts";
import { AddressPool } from "../../core/ip/address_pool.ts";

const HOUR = 3_600_000;

interface Both {
  readonly world: TunWorld;
  readonly server: Running;
  readonly client: Running;
}

function overUdp(world: TunWorld, o: Parameters<TunWorld["client"]>[0] = {}): Running {
  return world.client({ wire: "v2", dialer: world.udpDialer("192.0.2.2"), ...o });
}

function udpTest(name: string, run: (o: Both) => Promise<void>): void {
  Deno.test(`a device over UDP: ${name}`, async () => {
    await using world = new TunWorld();
    const server = world.server({ wire: "v2", udp: true });
    const client = overUdp(world);
    await world.clock.advance(100);
    await run({ world, server, client });
  });
}

/** Sends one packet each way and sees that both arrive. */
async function exchange({ world, server, client }: Both, mark: number): Promise<void> {
  const seen = (r: Running) => r.device.written.map((packet) => packet.at(-1));
  server.device.inject(ipPacket(mark));
  client.device.inject(ipPacket(mark + 1));
  await world.clock.advance(1);
  assert.equal(seen(client).at(-1), mark);
  assert.equal(seen(server).at(-1), mark + 1);
}

udpTest("packets go both ways, also after a long silence", async (both) => {
  const { world, server, client } = both;
  for (const end of [server, client]) {
    assert.deepEqual(end.fields("authenticated")[0]?.["protocol"], "udp");
  }
  await exchange(both, 10);
  await world.clock.advance(10 * 60_000);
  await exchange(both, 20);
  assert.deepEqual(client.fields("disconnected"), []);
});

udpTest("each hour there are new keys, and the old ones go", async (both) => {
  const { world, client } = both;
  await exchange(both, 10);
  const before = world.ciphers.live;
  for (let hour = 1; hour <= 3; hour++) {
    await world.clock.advance(HOUR + 20_000);
    await exchange(both, 10 * hour);
    assert.equal(client.lines().filter((line) => line === "debug new keys").length, hour);
    assert(world.ciphers.live <= before, `${world.ciphers.live} ciphers after ${before}`);
  }
  assert.equal(client.fields("authenticated").length, 1);
});

Deno.test("a device over UDP: a client that makes new keys all the time has few connections", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", udp: true });
  const client = overUdp(world, { rekey: { records: 1, bytes: 1, ms: 1 } });
  await world.clock.advance(20_000);
  const before = world.ciphers.live;
  await world.clock.advance(60_000);
  const made = client.lines().filter((line) => line === "debug new keys").length;
  assert(made > 30, `new keys ${made} times`);
  assert(world.ciphers.live <= before + 4, `${world.ciphers.live} ciphers after ${before}`);
  // Connections that are given up take none of its signs of life with them.
  const second = overUdp(world, { retries: 0, dialer: world.udpDialer("192.0.2.3") });
  await world.clock.advance(10_000);
  assert.equal(errorOf(await second.ended).kind, "busy");
  await exchange({ world, server, client }, 10);
});

udpTest("new keys that cannot be had are no end, and come later", async (both) => {
  const { world, client } = both;
  const { carry } = world;
  const isSmall = ({ bytes }: OnWire) => bytes.length < 1000;
  world.carry = (datagram) => isSmall(datagram) && carry(datagram);
  await world.clock.advance(HOUR + 20_000);
  assert(client.lines().some((line) => /warn the session has no new keys/.test(line)));
  await exchange(both, 10);
  world.carry = carry;
  await world.clock.advance(60_000);
  assert(client.lines().includes("debug new keys"));
  await exchange(both, 20);
});

udpTest("an end says so to the other one", async ({ world, server, client }) => {
  await client.stop();
  await world.clock.settle();
  assert.match(`${server.fields("disconnected")[0]?.["why"]}`, /closed by the client/);
  const again = overUdp(world, { retries: 0 });
  await world.clock.advance(100);
  assert.equal(again.fields("authenticated").length, 1);
  await server.stop();
  await world.clock.advance(10);
  assert.equal(errorOf(await again.ended).kind, "lost");
});

udpTest("a silent path ends the session in 15 s, and another one begins", async (both) => {
  const { world, server, client } = both;
  const { carry } = world;
  world.carry = () => {};
  await world.clock.advance(25_000);
  assert.match(client.lines().join(), /no sign of life from the peer for 15 s/);
  world.carry = carry;
  await world.clock.advance(60_000);
  assert.equal(client.fields("authenticated").length, 2);
  assert.equal(server.fields("authenticated").length, 2);
  await exchange(both, 10);
});

udpTest(
  "a second client hears that the place is taken; the same process takes it",
  async (both) => {
    const { world, client } = both;
    const second = overUdp(world, { retries: 0, dialer: world.udpDialer("192.0.2.3") });
    await world.clock.advance(10_000);
    assert.equal(errorOf(await second.ended).kind, "busy");
    await exchange(both, 10);
    await client.stop();
  },
);

udpTest("a client of TCP and one of UDP have the same place", async ({ world, client }) => {
  const second = world.client({ wire: "v2", retries: 0 });
  await world.clock.advance(10_000);
  assert.equal(errorOf(await second.ended).kind, "busy");
  await client.stop();
  await world.clock.advance(10);
  const third = world.client({ wire: "v2" });
  await world.clock.advance(100);
  assert.equal(third.fields("authenticated")[0]?.["protocol"], "memory");
});

Deno.test("a device over UDP: without the key there is no answer", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", udp: true });
  const client = overUdp(world, { psk: "another", retries: 0 });
  await world.clock.advance(20_000);
  assert.equal(errorOf(await client.ended).kind, "timeout");
  assert.deepEqual(server.lines().filter((line) => line.includes("authenticated")), []);
});

Deno.test("a device over UDP: clocks that differ are told to the server's log", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", udp: true });
  const client = overUdp(world, { retries: 0, skewMs: 600_000 });
  await world.clock.advance(20_000);
  assert.equal(errorOf(await client.ended).kind, "timeout");
  assert.match(`${server.fields("handshake rejected")[0]?.["why"]}`, /clock is 600 s ahead/);
});

Deno.test("a device over UDP: many clients have addresses of their own", async () => {
  await using world = new TunWorld();
  const pool = [parseCidr("10.9.0.0/29")];
  const server = world.server({
    wire: "v2",
    udp: true,
    many: { clients: 3, pool: new AddressPool(pool, [parseCidr("10.9.0.1/29")], 3, []) },
  });
  const clients = [2, 3].map((i) => overUdp(world, { dialer: world.udpDialer(`192.0.2.${i}`) }));
  await world.clock.advance(100);
  assert.deepEqual(clients.map(({ given }) => given), [[["10.9.0.2/29"]], [["10.9.0.3/29"]]]);
  assert.equal(server.fields("authenticated").length, 2);
  for (const [i, client] of clients.entries()) {
    const packet = ipPacket(7 + i);
    packet.set([10, 9, 0, 2 + i], 12);
    client.device.inject(packet);
    await world.clock.advance(1);
    assert.equal(server.device.written.at(-1)?.at(-1), 7 + i);
  }
});

Deno.test("a device over UDP: a path that loses and doubles a third carries on", async () => {
  await using world = new TunWorld();
  const rng = seededRng(4);
  world.carry = (datagram) => {
    const [chance] = rng(1);
    if (chance! < 85) return;
    world.udp.deliver(datagram);
    if (chance! > 170) world.udp.deliver(datagram);
  };
  const server = world.server({
    wire: "v2",
    udp: true,
    rekey: { records: 1, bytes: 1, ms: 20_000 },
  });
  const client = overUdp(world, { rekey: { records: 1, bytes: 1, ms: 20_000 } });
  await world.clock.advance(60_000);
  for (let i = 0; i < 100; i++) {
    client.device.inject(ipPacket(i));
    await world.clock.advance(500);
  }
  const came = server.device.written.map((packet) => packet.at(-1)!);
  assert(came.length > 40 && new Set(came).size === came.length, `${came.length}`);
  assert(client.lines().includes("debug new keys"));
});

Deno.test("a device over UDP: random datagrams are dropped, and a session goes on beside them", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2", udp: true });
  const client = overUdp(world);
  const recorded: OnWire[] = [];
  const { carry } = world;
  world.carry = (datagram) => {
    recorded.push(datagram);
    carry(datagram);
  };
  await world.clock.advance(100);
  const rng = seededRng(11);
  for (let i = 0; i < 3000; i++) {
    const one = recorded[i % recorded.length]!;
    const from = { host: "203.0.113.9", port: 1 + i };
    world.udp.deliver({ ...one, bytes: rng(i % 1300) });
    world.udp.deliver({ ...one, from });
    world.udp.deliver({ ...one, bytes: one.bytes.subarray(0, i % one.bytes.length) });
    if (i % 100 === 0) await world.clock.settle();
  }
  const answered = recorded.filter(({ to }) => to.host === "203.0.113.9");
  assert.deepEqual(answered, []);
  await world.clock.settle();
  await exchange({ world, server, client }, 10);
  assert.equal(client.fields("authenticated").length, 1);
});
