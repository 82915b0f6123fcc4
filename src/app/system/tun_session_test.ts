import assert from "node:assert/strict";
import { errorOf, ipPacket, TunWorld } from "../../../tests/fake/tun_programs.ts";
import { SessionList } from "../../core/status/session_list.ts";
import { CIPHER_NAMES } from "../../contract/cipher.ts";

for (const cipher of CIPHER_NAMES) {
  Deno.test(`client and server carry packets both ways, ${cipher}`, async () => {
    await using world = new TunWorld();
    const server = world.server({ cipher });
    const client = world.client({ cipher });
    await world.clock.settle();
    const [up, down] = [0, 1000].map((from) =>
      Array.from({ length: 300 }, (_, i) => ipPacket(from + i, 40 + i))
    );
    client.device.inject(...up!);
    server.device.inject(...down!);
    await world.clock.settle();
    assert.deepEqual(server.device.written, up);
    assert.deepEqual(client.device.written, down);
    assert.equal(client.router.counters.sentPackets, 300);
    assert.equal(client.router.counters.receivedPackets, 300);
  });
}

Deno.test("a session is told of at both ends: who, by what, for how long and how much", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client({ host: "192.0.2.7" });
  await world.clock.settle();
  client.device.inject(ipPacket(1, 100));
  await world.clock.advance(12_300);
  await client.stop();
  const peer = "192.0.2.7:40000";
  assert.deepEqual(server.fields("authenticated"), [{
    peer,
    protocol: "memory",
    wire: "v1",
    offload: "off",
  }]);
  assert.deepEqual(server.fields("disconnected"), [
    { peer, why: "closed by the client", seconds: 12.3, sent_bytes: 0, received_bytes: 100 },
  ]);
  assert.deepEqual(client.fields("authenticated"), [
    { server: "192.0.2.1:20203", protocol: "memory", wire: "v1", offload: "off" },
  ]);
  assert.deepEqual(client.fields("disconnected"), [
    { seconds: 12.3, sent_bytes: 100, received_bytes: 0 },
  ]);
});

Deno.test("a session is listed with its traffic while it lives", async () => {
  await using world = new TunWorld();
  const sessions = new SessionList();
  world.server({ sessions });
  const client = world.client({ host: "192.0.2.7" });
  await world.clock.settle();
  client.device.inject(ipPacket(1, 100));
  await world.clock.advance(1500);
  const peer = "192.0.2.7:40000";
  assert.deepEqual(sessions.describe(), [{
    id: 1,
    peer,
    wire: "v1",
    seconds: 1.5,
    sentBytes: 0,
    receivedBytes: 100,
    carriers: [{ number: 1, peer }],
  }]);
  await client.stop();
  assert.deepEqual(sessions.describe(), []);
});

Deno.test("when a client has gone the next one is in at once, with a session of its own", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const first = world.client({ host: "192.0.2.11" });
  await world.clock.settle();
  await first.stop();
  server.device.inject(ipPacket(1)); // for nobody
  await world.clock.settle();
  const second = world.client({ host: "192.0.2.12" });
  await world.clock.settle();
  server.device.inject(ipPacket(2));
  await world.clock.settle();
  assert.equal(world.clock.now(), 0);
  assert.deepEqual(second.device.written, [ipPacket(2)]);
});

Deno.test("packets that wait for a peer are dropped when it comes, not sent late", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client();
  client.device.inject(ipPacket(1));
  server.device.inject(ipPacket(2));
  await world.clock.settle();
  assert.deepEqual([server.device.written, client.device.written], [[], []]);
  assert.equal(client.router.counters.droppedWithoutPeer, 1);
});

for (
  const [what, wrong] of [
    ["key", { psk: "another" }],
    ["cipher", { cipher: "aes-256-gcm" }],
  ] as const
) {
  Deno.test(`a wrong ${what} ends a client with exit code 3, and the server says why it refused`, async () => {
    await using world = new TunWorld();
    const server = world.server();
    const client = world.client({ ...wrong, retries: 0 });
    const error = errorOf(await client.ended);
    assert.deepEqual([error.kind, error.exitCode], ["auth", 3]);
    assert.match(error.message, /both ends need the same -k and -m/);
    await world.clock.settle();
    const [rejected] = server.fields("handshake rejected");
    assert.match(String(rejected!["why"]), /wrong key or cipher/);
    assert.equal(rejected!["peer"], "192.0.2.2:40000");
    assert.deepEqual(server.fields("authenticated"), []);
    const right = world.client();
    await world.clock.settle();
    assert.equal(right.fields("authenticated").length, 1);
    assert.equal(world.clock.now(), 0);
  });
}

Deno.test("when the server stops, a client that may not try again has lost the connection", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client({ retries: 0 });
  await world.clock.settle();
  await server.stop();
  const error = errorOf(await client.ended);
  assert.deepEqual([error.kind, error.exitCode], ["lost", 9]);
});

Deno.test("a client comes back to a server that was started again", async () => {
  await using world = new TunWorld();
  const first = world.server();
  const client = world.client();
  await world.clock.settle();
  await first.stop();
  const second = world.server();
  await world.clock.advance(1_000);
  client.device.inject(ipPacket(1));
  await world.clock.settle();
  assert.deepEqual(second.device.written, [ipPacket(1)]);
});

Deno.test("a device that is lost ends server and client, whatever else they may try", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client();
  await world.clock.settle();
  client.device.lose();
  assert.equal(errorOf(await client.ended).kind, "system");
  await world.clock.settle();
  assert.equal(server.fields("disconnected").length, 1);
  server.device.lose();
  assert.equal(errorOf(await server.ended).kind, "system");
});

Deno.test("a cable that is pulled for a while ends no session, and loses nothing that was sent", async () => {
  await using world = new TunWorld();
  const server = world.server();
  const client = world.client();
  await world.clock.settle();
  world.net.cable("192.0.2.2").pull();
  client.device.inject(ipPacket(1));
  server.device.inject(ipPacket(2));
  await world.clock.advance(30_000);
  assert.deepEqual(server.device.written, []);
  world.net.cable("192.0.2.2").plug();
  await world.clock.settle();
  assert.deepEqual([server.device.written, client.device.written], [[ipPacket(1)], [ipPacket(2)]]);
  assert.equal(server.fields("authenticated").length, 1);
});

Deno.test("a server's device is looked at whenever a session begins, with the client's address", async () => {
  await using world = new TunWorld();
  const begun: (string | undefined)[] = [];
  world.server({ onSession: (host) => begun.push(host) });
  const first = world.client({ host: "192.0.2.7" });
  await world.clock.settle();
  assert.deepEqual(begun, ["192.0.2.7"]);
  await first.stop();
  world.client({ host: "192.0.2.8" });
  await world.clock.settle();
  assert.deepEqual(begun, ["192.0.2.7", "192.0.2.8"]);
});
