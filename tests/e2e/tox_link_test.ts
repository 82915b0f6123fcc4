/** libtoxcore as it is installed: two nodes in one process, on loopback. */
import assert from "node:assert/strict";
import { DenoClock } from "../../src/io/reactor/deno_clock.ts";
import { ToxNode, type ToxNodeEvents } from "../../src/io/tox/tox_node.ts";
import type { Tox } from "../../ffi/tox/tox.ts";
import type { ToxConnection } from "../../ffi/tox/tox_types.ts";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { lacksToxcore, openLocalToxcore, settleCallbacks, TOX_LINK_MS } from "./tox_lab.ts";

requireOwnNamespace();
settleCallbacks();

const LOCAL = { udp: true, ipv6: false, localDiscovery: false } as const;
const ID = 162;
const PACKETS = 3000;

class End implements Disposable {
  readonly node: ToxNode;
  readonly received: Uint8Array[] = [];
  readonly #changes = new Set<() => void>();
  self: ToxConnection = "none";
  friend: ToxConnection = "none";
  requests: { readonly publicKey: Uint8Array<ArrayBuffer>; readonly message: string }[] = [];
  failure: unknown = null;
  onRoom: () => void = () => {};

  constructor(readonly tox: Tox) {
    const changed = <A extends unknown[]>(run: (...args: A) => void) => (...args: A) => {
      run(...args);
      for (const wake of this.#changes) wake();
    };
    const events: ToxNodeEvents = {
      self: changed((connection) => void (this.self = connection)),
      friendRequest: changed((publicKey, message) =>
        void this.requests.push({ publicKey, message: new TextDecoder().decode(message) })
      ),
      friendConnection: changed((_, connection) => void (this.friend = connection)),
      packet: changed((_, packet) => void this.received.push(packet)),
      room: changed(() => this.onRoom()),
      failed: changed((error) => void (this.failure = error)),
    };
    this.node = new ToxNode(tox, new DenoClock(), events);
    this.node.start();
  }

  async until(words: string, holds: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (this.failure !== null) reject(this.failure);
      else if (holds()) resolve();
    };
    const timer = setTimeout(() => reject(new Error(`In vain: ${words}`)), TOX_LINK_MS);
    this.#changes.add(look);
    try {
      look();
      await promise;
    } finally {
      clearTimeout(timer);
      this.#changes.delete(look);
    }
  }

  [Symbol.dispose](): void {
    this.node[Symbol.dispose]();
  }
}

/** Sends numbered packets as fast as they are taken. Returns how often there was no room. */
function sendAll(end: End, friend: number, size: number): { refused: number } {
  const packet = new Uint8Array(size).fill(ID, 0, 1);
  const view = new DataView(packet.buffer);
  const told = { refused: 0 };
  let next = 0;
  end.onRoom = () => {
    for (; next < PACKETS; next++) {
      view.setUint32(1, next);
      const result = end.node.send(friend, packet);
      if (result === "full") return void told.refused++;
      assert.equal(result, "sent");
    }
  };
  end.onRoom();
  return told;
}

test({
  name: "two nodes find each other, lose no packet, and tell their end",
  ignore: lacksToxcore(),
  fn: async () => {
    using toxcore = openLocalToxcore();
    assert.match(toxcore.version, /^0\.2\.\d+$/);
    const { sizes } = toxcore;
    using server = new End(toxcore.open({ ...LOCAL, udpPorts: { first: 41001, last: 41001 } }));
    using client = new End(toxcore.open({ ...LOCAL, udpPorts: { first: 41002, last: 41002 } }));
    assert.equal(server.tox.udpPort, 41001);
    const node = (end: End, port: number) => ({
      host: "127.0.0.1",
      port,
      publicKey: end.tox.dhtKey,
    });
    assert.ok(server.tox.bootstrap(node(client, 41002)));
    assert.ok(client.tox.bootstrap(node(server, 41001)));
    assert.throws(() => client.tox.addFriend(client.tox.address, new Uint8Array(1)), /own/);
    const wrong = server.tox.address.map((byte, i) => i === sizes.publicKey ? byte ^ 1 : byte);
    assert.throws(() => client.tox.addFriend(wrong, new Uint8Array(1)), /checksum/);
    const tooLong = new Uint8Array(sizes.friendRequest + 1);
    assert.throws(() => client.tox.addFriend(server.tox.address, tooLong), /too long/);

    const friend = client.tox.addFriend(server.tox.address, new TextEncoder().encode("secret\0"));
    assert.equal(client.node.send(friend, Uint8Array.of(ID)), "offline");
    assert.throws(
      () => client.tox.send(friend, new Uint8Array(sizes.packet + 1).fill(ID)),
      /cannot send|can send/,
    );
    await server.until("a friend request", () => server.requests.length > 0);
    const [request] = server.requests;
    assert.equal(request!.message, "secret\0");
    assert.deepEqual(request!.publicKey, client.tox.address.subarray(0, sizes.publicKey));
    const other = server.tox.acceptFriend(request!.publicKey);
    assert.equal(server.tox.acceptFriend(request!.publicKey), other);
    assert.deepEqual(server.tox.publicKeyOf(other), request!.publicKey);
    await client.until("the server is online", () => client.friend !== "none");
    await server.until("the client is online", () => server.friend !== "none");

    const up = sendAll(client, friend, sizes.packet);
    const down = sendAll(server, other, sizes.packet);
    await server.until("all packets at the server", () => server.received.length === PACKETS);
    await client.until("all packets at the client", () => client.received.length === PACKETS);
    for (const { received } of [server, client]) {
      received.forEach((packet, i) => {
        assert.equal(packet.length, sizes.packet);
        assert.equal(new DataView(packet.buffer).getUint32(1), i);
      });
    }
    assert.ok(up.refused > 0 && down.refused > 0, "the queue has never been full");

    client.node[Symbol.dispose]();
    await server.until("the client's end", () => server.friend === "none");
    assert.throws(() => client.tox.address, /closed/);
    assert.deepEqual(server.tox.friends, [other]);
    server.tox.deleteFriend(other);
    assert.deepEqual(server.tox.friends, []);
  },
});

test({
  name: "an identity that was saved is the same in another instance, and a damaged one is refused",
  ignore: lacksToxcore(),
  fn: () => {
    using toxcore = openLocalToxcore();
    const tox = toxcore.open(LOCAL);
    const { address, savedata } = tox;
    tox.setName("a name that is much longer than a name may be ".repeat(10));
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
