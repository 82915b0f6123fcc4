/** libtoxcore as it is installed: nodes in threads of one process, on loopback. */
import assert from "node:assert/strict";
import type { TtunError } from "../../src/base/errors.ts";
import type { PacketLink } from "../../src/contract/packet_link.ts";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";
import { ToxClient } from "../../src/io/tox/tox_client.ts";
import { ToxServer } from "../../src/io/tox/tox_server.ts";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { TemporaryFiles } from "../temporary_files.ts";
import { lacksToxcore, openLocalToxcore, openNetwork, openNode, TOX_LINK_MS } from "./tox_lab.ts";

requireOwnNamespace();
settleCallbacks();

const LOCAL = { udp: true, ipv6: false, localDiscovery: false } as const;
const ID = 162;
const PACKETS = 3000;
const SECRET = new TextEncoder().encode("secret\0");

/** Collects what one end of a link is told. */
class Events {
  readonly packets: Uint8Array[] = [];
  readonly changes: string[] = [];
  onRoom: () => void = () => {};
  #look: () => void = () => {};

  listenTo(link: PacketLink): void {
    link.listen({
      packet: (bytes) => {
        this.packets.push(bytes.slice());
        this.#look();
      },
      room: () => this.onRoom(),
      up: () => this.tell("up"),
      down: () => this.tell("down"),
    });
  }

  readonly tell = (change: string): void => {
    this.changes.push(change);
    this.#look();
  };

  async until(words: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const fail = () => reject(new Error(`In vain: ${words}; ${this.changes.join(", ")}`));
    const timer = setTimeout(fail, TOX_LINK_MS);
    this.#look = () => holds() && resolve();
    try {
      this.#look();
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Sends numbered packets as fast as they are taken. Tells how often there was no room. */
function sendAll(link: PacketLink, events: Events): { refused: number } {
  const packet = new Uint8Array(link.maxPacketBytes).fill(ID, 0, 1);
  const view = new DataView(packet.buffer);
  const told = { refused: 0 };
  let next = 0;
  events.onRoom = () => {
    for (; next < PACKETS; next++) {
      view.setUint32(1, next);
      if (!link.send(packet)) return void told.refused++;
    }
  };
  events.onRoom();
  return told;
}

function isWhole({ packets }: Events, size: number): void {
  packets.forEach((packet, i) => {
    assert.equal(packet.length, size);
    assert.equal(new DataView(packet.buffer).getUint32(1), i);
  });
}

test({
  name: "a client and a server find each other, lose no packet, and tell their end",
  ignore: lacksToxcore(),
  fn: async () => {
    using files = new TemporaryFiles();
    const nodes = `${files.makeFolder("tox")}/nodes`;
    using _network = openNetwork(nodes, 41_000);
    await using stack = new AsyncDisposableStack();
    const serverTox = openNode(stack, 41_001, nodes);
    const clientTox = openNode(stack, 41_002, nodes);
    const { version, sizes } = clientTox.facts;
    assert.match(version, /^0\.2\.\d+$/);
    assert.equal(clientTox.facts.udpPort, 41_002);
    const clock = new DenoClock();
    const publicKey = clientTox.facts.address.slice(0, sizes.publicKey);
    const [atServer, atClient] = [new Events(), new Events()];
    let served: PacketLink | null = null;
    using server = new ToxServer({
      node: serverTox.node,
      clock,
      admit: (key, message) => {
        assert.deepEqual(key, publicKey);
        assert.deepEqual(message, SECRET);
        return { name: "a client", publicKey, isTrusted: true };
      },
      onLink: (link) => {
        assert.equal(link.peer, "a client");
        served = link;
        atServer.listenTo(link);
        return { [Symbol.dispose]: () => {} };
      },
      onRefused: (error) => atServer.tell(`refused: ${error}`),
      onSelf: () => {},
      onFailed: (error) => atServer.tell(`failed: ${error}`),
    });
    using client = new ToxClient({
      node: clientTox.node,
      clock,
      address: serverTox.facts.address,
      name: "a server",
      message: SECRET,
      onState: (state) => atClient.tell(state),
      onFailed: (error) => atClient.tell(`failed: ${error}`),
    });
    const { link } = client;
    atClient.listenTo(link);
    assert.ok(!link.isUp && !link.send(Uint8Array.of(ID)));
    server.start();
    client.start();
    await atClient.until("the server is online", () => link.isUp);
    await atServer.until("the client is online", () => served?.isUp === true);
    assert.deepEqual(atClient.changes, ["asked", "up", "up"]); // the state, then the link
    assert.throws(() => link.send(new Uint8Array(sizes.packet + 1).fill(ID)), /Tox can send/);

    const up = sendAll(link, atClient);
    const down = sendAll(served!, atServer);
    await atServer.until("all packets at the server", () => atServer.packets.length === PACKETS);
    await atClient.until("all packets at the client", () => atClient.packets.length === PACKETS);
    isWhole(atServer, sizes.packet);
    isWhole(atClient, sizes.packet);
    assert.ok(up.refused > 0 && down.refused > 0, "the queue has never been full");

    client[Symbol.dispose]();
    await atServer.until("the client's end", () => atServer.changes.includes("down"));
    assert.ok(!link.isUp && !link.send(Uint8Array.of(ID)));
  },
});

test({
  name: "friends that there cannot be are refused with the reason",
  ignore: lacksToxcore(),
  fn: () => {
    using toxcore = openLocalToxcore();
    using tox = toxcore.open(LOCAL);
    using other = toxcore.open(LOCAL);
    const { address, sizes } = other;
    assert.throws(() => tox.addFriend(tox.address, SECRET), /this end's own/);
    const wrong = address.map((byte, i) => i === sizes.publicKey ? byte ^ 1 : byte);
    assert.throws(() => tox.addFriend(wrong, SECRET), /checksum/);
    assert.throws(() => tox.addFriend(address, new Uint8Array()), /message/);
    const tooLong = new Uint8Array(sizes.friendRequest + 1);
    assert.throws(() => tox.addFriend(address, tooLong), /too long/);
    const at = { host: "no address", port: 1, publicKey: address.slice(0, sizes.publicKey) };
    assert.ok(!tox.bootstrap(at));
    assert.ok(tox.bootstrap({ ...at, host: "127.0.0.1" }));
    const friend = tox.addFriend(address, SECRET);
    assert.equal(tox.send(friend, Uint8Array.of(ID)), "offline");
    assert.equal(tox.send(friend + 1, Uint8Array.of(ID)), "offline");
    const publicKey = address.slice(0, sizes.publicKey);
    assert.equal(tox.acceptFriend(publicKey), friend);
    assert.deepEqual(tox.friends, [friend]);
    tox.deleteFriend(friend);
    assert.deepEqual(tox.friends, []);
    assert.equal(tox.friendOf(publicKey), null);
  },
});

test({
  name: "a thread that cannot have its instance says why, and leaves nothing",
  ignore: lacksToxcore(),
  fn: async () => {
    using files = new TemporaryFiles();
    const nodes = `${files.makeFolder("tox")}/nodes`;
    using _network = openNetwork(nodes, 41_010);
    await using stack = new AsyncDisposableStack();
    assert.throws(
      () => openNode(stack, 41_010, nodes),
      (error: TtunError) => error.kind === "in_use",
    );
    openNode(stack, 41_011, nodes); // one that is never started ends as well
  },
});

test({
  name: "an identity that was saved is the same in another instance, and a damaged one is refused",
  ignore: lacksToxcore(),
  fn: () => {
    using toxcore = openLocalToxcore();
    const tox = toxcore.open(LOCAL);
    const { address, savedata } = tox;
    tox[Symbol.dispose]();
    tox[Symbol.dispose](); // once more does nothing
    using again = toxcore.open({ ...LOCAL, savedata });
    assert.deepEqual(again.address, address);
    assert.throws(
      () => toxcore.open({ ...LOCAL, savedata: new Uint8Array(100).fill(7) }),
      /damaged/,
    );
  },
});

test({
  name: "an instance through a proxy sends no datagrams",
  ignore: lacksToxcore(),
  fn: () => {
    using toxcore = openLocalToxcore();
    const proxy = { kind: "socks5", host: "127.0.0.1", port: 9 } as const;
    using tox = toxcore.open({ ...LOCAL, proxy });
    assert.equal(tox.udpPort, null);
    tox.iterate();
  },
});
