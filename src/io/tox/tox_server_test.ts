import assert from "node:assert/strict";
import { FakeClock } from "../../../tests/fake/clock.ts";
import type { ToxEvent } from "../../../ffi/tox/tox_types.ts";
import { FakeToxNode } from "../../../tests/fake/tox_node.ts";
import type { ToxLink } from "./tox_link.ts";
import { ToxServer } from "./tox_server.ts";

const KEY = new Uint8Array(32).fill(3);
const REQUEST = { kind: "request", publicKey: KEY, message: Uint8Array.of(1, 0) } as const;
const ONLINE = { kind: "friend", friend: 1, connection: "udp" } as const;
const OFFLINE = { ...ONLINE, connection: "none" } as const;

function open() {
  const node = new FakeToxNode();
  const [clock, told] = [new FakeClock(), [] as string[]];
  const links: ToxLink[] = [];
  const server = new ToxServer({
    ...{ node, clock },
    admit: (key, message) =>
      message[0] === 1 ? { name: `friend ${key[0]}`, publicKey: key, isTrusted: true } : null,
    onLink: (link, connection) => {
      links.push(link);
      told.push(`${link.peer} by ${connection}`);
      link.listen({
        packet: (bytes) => told.push(`packet ${bytes.join()}`),
        room: () => told.push("room"),
        up: () => told.push("up"),
        down: () => told.push("down"),
      });
      return { [Symbol.dispose]: () => void told.push("over") };
    },
    onRefused: ({ message }) => told.push(`refused: ${message}`),
    onSelf: (connection) => told.push(`self ${connection}`),
    onFailed: (error) => told.push(`failed: ${error}`),
  });
  server.start();
  const happen = (...events: ToxEvent[]) => {
    for (const event of events) node.happen(event);
    return told.splice(0);
  };
  return { node, told, clock, server, links, happen };
}

Deno.test("a friend that the library does not take ends nothing", () => {
  const { node, told, happen } = open();
  happen(REQUEST);
  node.refuse(1, "own");
  assert.deepEqual(told.splice(0), ["refused: own"]);
  assert.deepEqual(node.friends, []);
  assert.deepEqual(happen(REQUEST, { ...ONLINE, friend: 2 }), ["friend 3 by udp", "up"]);
});

Deno.test("who is let in has a link, and whoever goes has to ask again", () => {
  const { node, links, happen } = open();
  assert.deepEqual(happen(ONLINE), []); // nobody knows it
  assert.deepEqual(happen({ ...REQUEST, message: Uint8Array.of(2) }), []);
  assert.deepEqual(node.friends, []);
  assert.deepEqual(happen(REQUEST, OFFLINE), []);
  assert.deepEqual(happen(ONLINE), ["friend 3 by udp", "up"]);
  assert.deepEqual(happen({ ...ONLINE, connection: "tcp" }), []); // another way
  const packet = { kind: "packet", friend: 1, bytes: Uint8Array.of(162) } as const;
  assert.deepEqual(happen(packet), ["packet 162"]);
  assert.ok(links[0]!.send(Uint8Array.of(162, 1)));
  assert.deepEqual(links[0]!.traffic, { sentBytes: 2, receivedBytes: 1 });
  assert.equal(links[0]!.connection, "tcp");
  assert.deepEqual(happen(OFFLINE), ["down", "over"]);
  assert.deepEqual(node.friends, []);
  assert.ok(!links[0]!.send(Uint8Array.of(162)));
  assert.deepEqual(happen(ONLINE, packet), []);
  happen(REQUEST);
  assert.deepEqual(happen({ ...ONLINE, friend: 2 }), ["friend 3 by udp", "up"]);
  assert.equal(links.length, 2);
});

Deno.test("a friend that never comes is forgotten after five minutes, and there are 256 at most", async () => {
  const { node, clock, happen } = open();
  for (let i = 0; i < 300; i++) {
    happen({ ...REQUEST, publicKey: new Uint8Array(32).fill(i % 256).fill(i >> 8, 31) });
  }
  assert.equal(node.friends.length, 256);
  assert.ok(!node.hasKey(new Uint8Array(32).fill(43).fill(0, 31))); // the oldest
  await clock.advance(300_000);
  assert.equal(node.friends.length, 0);
});

Deno.test("at its end all links go down", () => {
  const { node, clock, server, links, happen } = open();
  happen(REQUEST);
  happen(ONLINE);
  server[Symbol.dispose]();
  assert.ok(!links[0]!.isUp && node.isClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("a friend that is dropped has to ask again", () => {
  const { node, server, links, happen } = open();
  happen(REQUEST);
  happen(ONLINE);
  server.drop(links[0]!);
  assert.deepEqual(node.friends, []);
  assert.ok(!links[0]!.isUp);
  server.drop(links[0]!);
  happen(REQUEST);
  assert.equal(node.friends.length, 1);
});
