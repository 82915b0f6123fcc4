import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeTox } from "../../../tests/fake/tox.ts";
import { ToxClient } from "./tox_client.ts";

function open() {
  const [tox, clock, told] = [new FakeTox(), new FakeClock(), [] as string[]];
  const address = new Uint8Array(38).fill(7);
  const client = new ToxClient({
    ...{ tox, clock, address, name: "a server" },
    message: new TextEncoder().encode("secret\0"),
    onState: (state, connection) => told.push(`${state} ${connection}`),
    onFailed: (error) => told.push(`failed: ${(error as Error).message}`),
  });
  client.link.listen({
    packet: (bytes) => told.push(`packet ${bytes.join()}`),
    room: () => told.push("room"),
    up: () => told.push("link up"),
    down: () => told.push("link down"),
  });
  client.start();
  /** Returns what is told because of these events. */
  const happen = async (...events: FakeTox["events"]) => {
    tox.events.push(...events);
    await clock.advance(50);
    return told.splice(0);
  };
  return { tox, clock, told, client, happen };
}

Deno.test("the server is asked for when this node is online, and again after each loss", async () => {
  const { tox, client, happen } = open();
  assert.deepEqual(await happen(), []);
  assert.deepEqual(tox.requests, []);
  assert.deepEqual(await happen({ kind: "self", connection: "udp" }), ["asked udp"]);
  assert.deepEqual(tox.requests, ["secret\0"]);
  const online = { kind: "friend", friend: 0, connection: "tcp" } as const;
  assert.deepEqual(await happen(online), ["up tcp", "link up"]);
  const packet = { kind: "packet", friend: 0, bytes: Uint8Array.of(162, 1) } as const;
  assert.deepEqual(await happen(packet, { ...packet, friend: 9 }), ["packet 162,1"]);
  assert.deepEqual(await happen({ ...online, connection: "udp" }), ["up udp"]); // another way
  assert.deepEqual(await happen({ ...online, connection: "none" }), ["link down", "asked udp"]);
  assert.deepEqual(tox.requests.length, 2);
  assert.deepEqual(tox.friends, [1]);
  assert.ok(!client.link.isUp);
});

Deno.test("a request that leads to nothing is made anew every 45 s", async () => {
  const { tox, clock, client, happen } = open();
  await happen({ kind: "self", connection: "udp" });
  await clock.advance(44_000);
  assert.equal(tox.requests.length, 1);
  await clock.advance(2000);
  assert.equal(tox.requests.length, 2);
  await clock.advance(45_000);
  assert.equal(tox.requests.length, 3);
  assert.equal(tox.friends.length, 1);
  client[Symbol.dispose]();
  assert.ok(tox.isClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("without the network nothing is asked, and a link that is up stays", async () => {
  const { tox, happen } = open();
  await happen({ kind: "self", connection: "udp" });
  const online = { kind: "friend", friend: 0, connection: "udp" } as const;
  await happen(online);
  assert.deepEqual(await happen({ kind: "self", connection: "none" }), []);
  assert.deepEqual(await happen({ ...online, connection: "none" }), ["link down", "offline none"]);
  assert.equal(tox.requests.length, 1);
  assert.deepEqual(await happen({ kind: "self", connection: "tcp" }), ["asked tcp"]);
});

Deno.test("a packet without room is refused, and room is told once", async () => {
  const { tox, client, happen } = open();
  const packet = Uint8Array.of(162);
  assert.ok(!client.link.send(packet));
  await happen({ kind: "self", connection: "udp" });
  await happen({ kind: "friend", friend: 0, connection: "udp" });
  tox.results = ["full", "full"];
  assert.ok(!client.link.send(packet));
  assert.ok(!client.link.send(packet));
  assert.deepEqual(await happen(), ["room"]);
  assert.deepEqual(await happen(), []);
  assert.ok(client.link.send(packet));
  tox.results = ["offline"];
  assert.ok(!client.link.send(packet));
  assert.deepEqual(await happen(), []);
  assert.equal(tox.sent.length, 1);
});

Deno.test("it iterates every 5 ms while packets go, and as the library wants otherwise", async () => {
  const { tox, clock, client, happen } = open();
  await happen({ kind: "self", connection: "udp" });
  await happen({ kind: "friend", friend: 0, connection: "udp" });
  await clock.advance(1000);
  const before = tox.iterations;
  await clock.advance(1000);
  assert.equal(tox.iterations - before, 20);
  for (let i = 0; i < 10; i++) {
    client.link.send(Uint8Array.of(162));
    await clock.advance(100);
  }
  assert.ok(tox.iterations - before - 20 >= 195, String(tox.iterations));
});

Deno.test("a failure of the library closes it, and is told once", async () => {
  const { tox, clock, happen } = open();
  await happen({ kind: "self", connection: "udp" });
  tox.iterate = () => {
    throw new Error("it is broken");
  };
  assert.deepEqual(await happen(), ["failed: it is broken"]);
  assert.ok(tox.isClosed);
  assert.equal(clock.pending, 0);
});
