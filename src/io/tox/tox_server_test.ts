import assert from "node:assert/strict";
import { TtunError } from "../../base/errors.ts";
import { FakeClock } from "../../../tests/fake/clock.ts";
import { FakeTox } from "../../../tests/fake/tox.ts";
import type { ToxLink } from "./tox_link.ts";
import { ToxServer } from "./tox_server.ts";

const KEY = new Uint8Array(32).fill(3);
const REQUEST = { kind: "request", publicKey: KEY, message: Uint8Array.of(1, 0) } as const;
const ONLINE = { kind: "friend", friend: 0, connection: "udp" } as const;
const OFFLINE = { ...ONLINE, connection: "none" } as const;

function open(tox = new FakeTox()) {
  const [clock, told] = [new FakeClock(), [] as string[]];
  const links: ToxLink[] = [];
  const server = new ToxServer({
    ...{ tox, clock },
    admit: (key, message) =>
      message[0] === 1 ? { name: `friend ${key[0]}`, isTrusted: true } : null,
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
  const happen = async (...events: FakeTox["events"]) => {
    tox.events.push(...events);
    await clock.advance(50);
    return told.splice(0);
  };
  return { tox, clock, server, links, happen };
}

Deno.test("friends of a kept identity are forgotten: they would come without the secret", () => {
  const tox = new FakeTox();
  tox.acceptFriend(KEY);
  open(tox);
  assert.deepEqual(tox.friends, []);
});

Deno.test("a friend that the library does not take ends nothing", async () => {
  const tox = new FakeTox();
  const accept = tox.acceptFriend.bind(tox);
  tox.acceptFriend = () => {
    throw new TtunError("usage", "own");
  };
  const { happen } = open(tox);
  assert.deepEqual(await happen(REQUEST), ["refused: own"]);
  tox.acceptFriend = accept;
  assert.deepEqual(await happen(REQUEST, ONLINE), ["friend 3 by udp", "up"]);
});

Deno.test("who is let in has a link, and whoever goes has to ask again", async () => {
  const { tox, links, happen } = open();
  assert.deepEqual(await happen(ONLINE), []); // nobody knows it
  assert.deepEqual(await happen({ ...REQUEST, message: Uint8Array.of(2) }), []);
  assert.deepEqual(tox.friends, []);
  assert.deepEqual(await happen(REQUEST, OFFLINE), []);
  assert.deepEqual(await happen(ONLINE), ["friend 3 by udp", "up"]);
  assert.deepEqual(await happen({ ...ONLINE, connection: "tcp" }), []); // another way
  const packet = { kind: "packet", friend: 0, bytes: Uint8Array.of(162) } as const;
  assert.deepEqual(await happen(packet), ["packet 162"]);
  assert.ok(links[0]!.send(Uint8Array.of(162, 1)));
  assert.deepEqual(links[0]!.traffic, { sentBytes: 2, receivedBytes: 1 });
  assert.equal(links[0]!.connection, "tcp");
  assert.deepEqual(await happen(OFFLINE), ["down", "over"]);
  assert.deepEqual(tox.friends, []);
  assert.ok(!links[0]!.send(Uint8Array.of(162)));
  assert.deepEqual(await happen(ONLINE, packet), []);
  await happen(REQUEST);
  assert.deepEqual(await happen({ ...ONLINE, friend: 1 }), ["friend 3 by udp", "up"]);
  assert.equal(links.length, 2);
});

Deno.test("a friend that never comes is forgotten after five minutes, and there are 256 at most", async () => {
  const { tox, clock, happen } = open();
  for (let i = 0; i < 300; i++) {
    await happen({ ...REQUEST, publicKey: new Uint8Array(32).fill(i % 256).fill(i >> 8, 31) });
  }
  assert.equal(tox.friends.length, 256);
  assert.equal(tox.friendOf(new Uint8Array(32).fill(43).fill(0, 31)), null); // the oldest
  await clock.advance(300_000);
  assert.equal(tox.friends.length, 0);
});

Deno.test("at its end all links go down", async () => {
  const { tox, clock, server, links, happen } = open();
  await happen(REQUEST);
  await happen(ONLINE);
  server[Symbol.dispose]();
  assert.ok(!links[0]!.isUp && tox.isClosed);
  assert.equal(clock.pending, 0);
});

Deno.test("a friend that is dropped has to ask again", async () => {
  const { tox, server, links, happen } = open();
  await happen(REQUEST);
  await happen(ONLINE);
  server.drop(links[0]!);
  assert.deepEqual(tox.friends, []);
  assert.ok(!links[0]!.isUp);
  server.drop(links[0]!);
  await happen(REQUEST);
  assert.equal(tox.friends.length, 1);
});
