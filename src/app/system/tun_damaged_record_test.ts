import assert from "node:assert/strict";
import { ipPacket, SERVER_HOST, SERVER_PORT, TunWorld } from "../../../tests/fake/tun_programs.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { dial } from "../net/dial_events.ts";
import { dialBy } from "../../../tests/fake/dialer.ts";

/** A client's first connection, in the hands of somebody on its way. */
class Tapped {
  readonly dialer: Dialer;
  stream: Connection | null = null;
  /** Changes what is sent next; null = as it is. */
  onWrite: ((bytes: Uint8Array) => Uint8Array) | null = null;
  /** Sees the bytes that are read. */
  onRead: ((bytes: Uint8Array) => void) | null = null;
  sent = 0;
  dials = 0;

  constructor(world: TunWorld, host: string) {
    const inner = world.net.dialer(host);
    this.dialer = dialBy(async (to, o) => {
      const stream = await dial(inner, to, o);
      if (this.dials++ === 0) this.#tap(stream);
      return stream;
    });
  }

  #tap(stream: Connection): void {
    this.stream = stream;
    const { writeNow, readNow } = stream;
    const change = (bytes: Uint8Array) => {
      this.sent++;
      return this.onWrite === null ? bytes : this.onWrite(bytes.slice());
    };
    stream.writeNow = (bytes) => writeNow.call(stream, change(bytes));
    stream.readNow = (into) => {
      const got = readNow.call(stream, into);
      if (typeof got === "number") this.onRead?.(into.subarray(0, got));
      return got;
    };
  }
}

/** At which bytes of the client's next record it is damaged, and how. */
const DAMAGE: [string, (bytes: Uint8Array) => Uint8Array][] = [
  ["its tag", (b) => flip(b, b.length - 1, 1)],
  ["its text", (b) => flip(b, 5, 0x80)],
  ["the low bits of its length", (b) => flip(b, 1, 1)],
  ["its length, made far larger or smaller", (b) => flip(b, 0, 0x80)],
  ["a byte that is missing", (b) => b.subarray(1)],
  ["its end, which does not come", (b) => b.subarray(0, -1)],
];

function flip(bytes: Uint8Array, at: number, bits: number): Uint8Array {
  bytes[at]! ^= bits;
  return bytes;
}

for (const [what, damage] of DAMAGE) {
  Deno.test(`a client's record damaged in ${what}: the server is silent, and ends by chance`, async () => {
    const ends = new Set<number>();
    for (let round = 0; round < 4; round++) {
      await using world = new TunWorld();
      const server = world.server({ wire: "v2" });
      // Connections that draw some of the server's random numbers before.
      for (let i = 0; i < round; i++) {
        const signal = new AbortController().signal;
        const to = { host: SERVER_HOST, port: SERVER_PORT };
        await using _other = await dial(world.net.dialer("192.0.2.66"), to, { signal });
        await world.clock.settle();
      }
      const tapped = new Tapped(world, "192.0.2.7");
      const client = world.client({ wire: "v2", retries: 0, dialer: tapped.dialer });
      await world.clock.advance(100 + round);
      assert.equal(server.fields("authenticated").length, 1);
      // From here on the client itself says nothing more: it is the path that does.
      let isDamaged = false;
      tapped.onWrite = (bytes) => {
        if (isDamaged) return new Uint8Array();
        isDamaged = true;
        return damage(bytes);
      };
      client.device.inject(ipPacket(1, 600));
      await world.clock.settle();
      assert(isDamaged);
      const began = world.clock.now();
      await world.clock.advance(4_900);
      assert.equal(tapped.stream!.stats().peerClosed, false, "it tells nothing at once");
      while (tapped.stream!.stats().peerClosed === false && world.clock.now() - began < 21_000) {
        await world.clock.advance(50);
      }
      const took = world.clock.now() - began;
      assert(took >= 4_900 && took <= 20_100, `${took} ms`);
      ends.add(took);
      assert.deepEqual(server.device.written, []);
      assert.equal(server.fields("disconnected").length, 1);
    }
    assert(ends.size > 1, `always after ${[...ends]} ms`);
  });
}

Deno.test("the place of a damaged session is free at once, and its client back by itself", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const tapped = new Tapped(world, "192.0.2.7");
  const client = world.client({ wire: "v2", dialer: tapped.dialer });
  await world.clock.settle();
  tapped.onWrite = (bytes) => flip(bytes, bytes.length - 1, 1);
  client.device.inject(ipPacket(1));
  await world.clock.settle();
  assert.match(String(server.fields("disconnected")[0]?.["why"]), /damaged|Cannot open/);
  const other = world.client({ wire: "v2", host: "192.0.2.8" });
  await world.clock.settle();
  assert.equal(other.fields("authenticated").length, 1, "nobody waits for the silent connection");
  await other.stop();
  await world.clock.advance(45_000);
  assert.equal(client.fields("authenticated").length, 2);
});

Deno.test("a client whose server's record was damaged comes back at once, and the old end is silent", async () => {
  await using world = new TunWorld();
  const server = world.server({ wire: "v2" });
  const tapped = new Tapped(world, "192.0.2.7");
  const client = world.client({ wire: "v2", dialer: tapped.dialer });
  await world.clock.settle();
  tapped.onRead = (bytes) => void flip(bytes, bytes.length - 1, 1);
  server.device.inject(ipPacket(1));
  await world.clock.settle();
  const began = world.clock.now();
  const { stream, sent } = tapped;
  await world.clock.advance(3_000);
  assert.equal(client.fields("authenticated").length, 2);
  assert.equal(tapped.sent, sent, "nothing more is sent on it");
  while (stream!.stats().isGone !== true && world.clock.now() - began < 21_000) {
    await world.clock.advance(50);
  }
});
