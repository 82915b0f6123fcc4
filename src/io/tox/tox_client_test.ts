import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import type { ToxEvent } from "../../../ffi/tox/tox_types.ts";
import { FakeToxNode } from "../../../tests/fake/tox_node.ts";
import { ToxClient } from "./tox_client.ts";

function open() {
  const [node, clock, told] = [new FakeToxNode(), new FakeClock(), [] as string[]];
  const address = new Uint8Array(38).fill(7);
  const client = new ToxClient({
    ...{ node, clock, address, name: "a server" },
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
  const happen = (...events: ToxEvent[]) => {
    for (const event of events) node.happen(event);
    return told.splice(0);
  };
  return { node, clock, told, client, happen };
}

Deno.test("the server is asked for when this node is online, and again after each loss", () => {
  const { node, client, happen } = open();
  assert.deepEqual(happen(), []);
  assert.deepEqual(node.requests, []);
  assert.deepEqual(happen({ kind: "self", connection: "udp" }), ["asked udp"]);
  assert.deepEqual(node.requests, ["secret\0"]);
  const online = { kind: "friend", friend: 1, connection: "tcp" } as const;
  assert.deepEqual(happen(online), ["up tcp", "link up"]);
  const packet = { kind: "packet", friend: 1, bytes: Uint8Array.of(162, 1) } as const;
  assert.deepEqual(happen(packet, { ...packet, friend: 9 }), ["packet 162,1"]);
  assert.deepEqual(happen({ ...online, connection: "udp" }), ["up udp"]); // another way
  assert.deepEqual(happen({ ...online, connection: "none" }), ["link down", "asked udp"]);
  assert.deepEqual(node.requests.length, 2);
  assert.deepEqual(node.friends, [2]);
  assert.ok(!client.link.isUp);
});

Deno.test("a request that leads to nothing is made anew every 45 s", async () => {
  const { node, clock, client, happen } = open();
  happen({ kind: "self", connection: "udp" });
  await clock.advance(44_000);
  assert.equal(node.requests.length, 1);
  await clock.advance(2000);
  assert.equal(node.requests.length, 2);
  await clock.advance(45_000);
  assert.equal(node.requests.length, 3);
  assert.equal(node.friends.length, 1);
  client[Symbol.dispose]();
  assert.ok(node.isClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("without the network nothing is asked, and a link that is up stays", () => {
  const { node, happen } = open();
  happen({ kind: "self", connection: "udp" });
  const online = { kind: "friend", friend: 1, connection: "udp" } as const;
  happen(online);
  assert.deepEqual(happen({ kind: "self", connection: "none" }), []);
  assert.deepEqual(happen({ ...online, connection: "none" }), ["link down", "offline none"]);
  assert.equal(node.requests.length, 1);
  assert.deepEqual(happen({ kind: "self", connection: "tcp" }), ["asked tcp"]);
});

Deno.test("a packet without room is refused, and room is told once", () => {
  const { node, client, happen } = open();
  const packet = Uint8Array.of(162);
  assert.ok(!client.link.send(packet));
  happen({ kind: "self", connection: "udp" });
  happen({ kind: "friend", friend: 1, connection: "udp" });
  node.results = ["full", "full"];
  assert.ok(!client.link.send(packet));
  assert.ok(!client.link.send(packet));
  node.room();
  node.room();
  assert.deepEqual(happen(), ["room"]);
  assert.ok(client.link.send(packet));
  node.results = ["offline"];
  assert.ok(!client.link.send(packet));
  node.room();
  assert.deepEqual(happen(), []);
  assert.equal(node.sent.length, 1);
});

Deno.test("a server that the library does not take ends it", () => {
  const { node, clock, happen, told } = open();
  happen({ kind: "self", connection: "udp" });
  node.refuse(1, "it is its own");
  assert.deepEqual(told.splice(0), ["failed: it is its own"]);
  assert.ok(node.isClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("a failure of the node is told once", () => {
  const { node, clock, happen, told } = open();
  happen({ kind: "self", connection: "udp" });
  node.fail(new Error("it is broken"));
  assert.deepEqual(told.splice(0), ["failed: it is broken"]);
  assert.equal(clock.pending, 0);
});
