import assert from "node:assert/strict";
import fc from "fast-check";
import {
  between,
  marksAtEnd,
  PoolRouterWorld,
  SERVER4,
  SERVER6,
} from "../../../tests/fake/pool_router.ts";
import { LAYOUTS, offsetsIn } from "../../../tests/fake/layouts.ts";
import { readU32 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { noPackets } from "./counters.ts";

fc.configureGlobal({ seed: 14 });

const A = ["10.8.0.2/24", "fd00:8::2/64"];
const B = ["10.8.0.3/24", "fd00:8::3/64"];

/** Packets of the server's network for an address. */
const to = (address: string, mark: number, size?: number) =>
  between(address.includes(":") ? SERVER6 : SERVER4, address, mark, size);
const from = (address: string, mark: number, size?: number) =>
  between(address, address.includes(":") ? SERVER6 : SERVER4, mark, size);

Deno.test("each packet goes to the client that has its target address, in its order, and is counted", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  w.device.inject(
    to("10.8.0.2", 1),
    to("10.8.0.3", 2, 1_280),
    to("fd00:8::3", 3),
    to("fd00:8::2", 4, 100),
    to("10.8.0.2", 5),
  );
  await w.clock.settle();
  assert.deepEqual(a.link.sent, [to("10.8.0.2", 1), to("fd00:8::2", 4, 100), to("10.8.0.2", 5)]);
  assert.deepEqual(b.link.sent, [to("10.8.0.3", 2, 1_280), to("fd00:8::3", 3)]);
  assert.deepEqual(w.router.counters, { ...noPackets(), sentPackets: 5, sentBytes: 1_560 });
  assert.deepEqual(a.traffic, { sentBytes: 220, receivedBytes: 0 });
  assert.deepEqual(b.traffic, { sentBytes: 1_340, receivedBytes: 0 });
});

Deno.test("packets for nobody are dropped and counted: unknown addresses, groups, and no packets at all", async () => {
  await using w = new PoolRouterWorld();
  w.device.inject(to("10.8.0.2", 1));
  await w.clock.settle();
  const a = w.join("a", A);
  const wrong = [
    to("10.8.0.3", 2),
    to("10.8.0.1", 2),
    to("10.8.0.255", 2),
    to("224.0.0.2", 2),
    to("0.0.0.2", 2),
    to("fd00:8::3", 2),
    to("fd00:9::2", 2), // the same last bytes
    to("ff02::2", 2),
    to("fd00:8::1:0:2", 2),
    to("::10.8.0.2", 2), // the last four bytes of its other address
    to("a08:2::2", 2), // the first four
    new Uint8Array(0),
    new Uint8Array(60),
    to("10.8.0.2", 2).subarray(0, 19),
    to("fd00:8::2", 2).subarray(0, 39),
  ];
  w.device.inject(...wrong);
  await w.clock.settle();
  assert.deepEqual(a.link.sent, []);
  assert.deepEqual(w.router.counters, { ...noPackets(), droppedWithoutPeer: 1 + wrong.length });
});

Deno.test("what a client sends from its own addresses goes to the device, and is counted", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  a.link.deliver(from("10.8.0.2", 1), from("fd00:8::2", 2, 500));
  b.link.deliver(from("10.8.0.3", 3));
  a.link.deliver(between("10.8.0.2", "192.0.2.77", 4));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(w.device.written).toSorted(), [1, 2, 3, 4]);
  assert.deepEqual(w.device.written.find((p) => p.length === 500), from("fd00:8::2", 2, 500));
  assert.deepEqual(w.router.counters, { ...noPackets(), receivedPackets: 4, receivedBytes: 680 });
  assert.deepEqual(a.traffic, { sentBytes: 0, receivedBytes: 620 });
  assert.deepEqual(b.traffic, { sentBytes: 0, receivedBytes: 60 });
});

const FOREIGN = ["10.8.0.3", "10.8.0.1", "0.0.0.0", "192.0.2.2", "fd00:8::3", "fd00:9::2", "::2"]
  .concat("a08:2::2", "::10.8.0.2"); // bytes of its IPv4 address

Deno.test("what comes from other addresses is dropped and counted, and nothing else of its batch", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  w.join("b", B);
  const foreign = FOREIGN.map((address) => from(address, 9));
  a.link.deliver(...foreign);
  a.link.deliver(foreign[0]!, from("10.8.0.2", 1), ...foreign, from("fd00:8::2", 2), foreign[1]!);
  a.link.deliver(from("10.8.0.2", 3));
  await w.clock.settle();
  assert.deepEqual(w.device.written, [
    from("10.8.0.2", 1),
    from("fd00:8::2", 2),
    from("10.8.0.2", 3),
  ]);
  assert.equal(w.router.counters.droppedForeign, 2 * FOREIGN.length + 2);
  assert.equal(a.error, undefined);
});

Deno.test("what is dropped because it is foreign was not received: neither counts it so", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  a.link.deliver(...FOREIGN.map((address) => from(address, 9)), from("10.8.0.2", 1));
  await w.clock.settle();
  const { receivedPackets, receivedBytes } = w.router.counters;
  assert.deepEqual([receivedPackets, receivedBytes, a.traffic.receivedBytes], [1, 60, 60]);
});

Deno.test("no packets at all from a client are unfit, and the session goes on", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  const unfit = [new Uint8Array(0), new Uint8Array(60), from("10.8.0.2", 1).subarray(0, 19)];
  a.link.deliver(...unfit, from("10.8.0.2", 2, 1_401), from("10.8.0.2", 3));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(w.device.written), [3]);
  assert.equal(w.router.counters.droppedUnfit, 4);
  assert.equal(w.router.counters.droppedForeign, 0);
});

Deno.test("a client without addresses gets nothing and may send nothing", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", []);
  w.device.inject(to("10.8.0.2", 1));
  a.link.deliver(from("10.8.0.2", 2));
  await w.clock.settle();
  assert.deepEqual([a.link.sent, w.device.written], [[], []]);
  assert.deepEqual([w.router.counters.droppedWithoutPeer, w.router.counters.droppedForeign], [
    1,
    1,
  ]);
});

Deno.test("a client with addresses of one family only has these", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", ["fd00:8::a08:2/64"]); // ends as 10.8.0.2 does
  w.device.inject(to("10.8.0.2", 1), to("fd00:8::a08:2", 2));
  a.link.deliver(from("10.8.0.2", 3), from("fd00:8::a08:2", 4));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(a.link.sent), [2]);
  assert.deepEqual(marksAtEnd(w.device.written), [4]);
});

Deno.test("who has left gets nothing; who comes with its address gets what is for it", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  await a.leave();
  assert.equal(a.error, null);
  w.device.inject(to("10.8.0.2", 1));
  await w.clock.settle();
  const again = w.join("again", A);
  w.device.inject(to("10.8.0.2", 2));
  await w.clock.settle();
  assert.deepEqual([a.link.sent, marksAtEnd(again.link.sent)], [[], [2]]);
  assert.equal(w.router.counters.droppedWithoutPeer, 1);
});

Deno.test("one that leaves only after its successor has come takes nothing along", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  const again = w.join("again", A);
  await a.leave();
  w.device.inject(to("10.8.0.2", 1), to("fd00:8::2", 2));
  again.link.deliver(from("10.8.0.2", 3));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(again.link.sent), [1, 2]);
  assert.deepEqual(marksAtEnd(w.device.written), [3]);
});

for (const [name, layout] of Object.entries(LAYOUTS)) {
  Deno.test(`batches of any sizes lie as the link wants them, and arrive whole: ${name}`, async () => {
    await using w = new PoolRouterWorld({ longest: 65_000 });
    const [a, b] = [w.join("a", A, { layout }), w.join("b", B)];
    const packets = Array.from(
      { length: 600 },
      (_, i) =>
        to(
          i % 3 === 2 ? "10.8.0.3" : "10.8.0.2",
          i,
          40 + (i * 3_571) % (i % 50 === 0 ? 60_000 : 1_360),
        ),
    );
    w.device.inject(...packets);
    await w.clock.settle();
    assert.deepEqual(a.link.sent, packets.filter((_, i) => i % 3 !== 2));
    assert.deepEqual(b.link.sent, packets.filter((_, i) => i % 3 === 2));
    assert(a.link.counts.length < 40, `${a.link.counts.length} batches`);
    for (const [i, offsets] of a.link.offsets.entries()) {
      assert.deepEqual(offsets, offsetsIn(layout, a.link.lengths[i]!));
    }
  });
}

Deno.test("a hundred clients each get their own, and only that, whatever the order", async () => {
  await using w = new PoolRouterWorld();
  const addresses = Array.from(
    { length: 100 },
    (_, i) => [`10.8.1.${i + 1}`, `fd00:8::1:${i + 1}`],
  );
  const clients = addresses.map((both, i) =>
    w.join(`client ${i}`, both.map((a) => `${a}/64`.replace(/(\..*)\/64/, "$1/16")))
  );
  const target = fc.tuple(fc.nat(119), fc.nat(1));
  const wanted = clients.map(() => [] as number[]);
  let mark = 0;
  let nobody = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(target, { maxLength: 300, size: "max" }), async (targets) => {
      const packets = targets.map(([i, family]) => {
        mark++;
        if (i < 100) wanted[i]!.push(mark);
        else nobody++;
        return to(addresses[i]?.[family] ?? (family === 0 ? "10.8.2.1" : "fd00:8::2:1"), mark);
      });
      w.device.inject(...packets);
      await w.clock.settle();
    }),
    { numRuns: 30 },
  );
  assert.deepEqual(clients.map(({ link }) => marksAtEnd(link.sent)), wanted);
  assert.equal(w.router.counters.droppedWithoutPeer, nobody);
  assert.equal(w.router.counters.sentPackets, mark - nobody);
  for (const [i, { traffic }] of clients.entries()) {
    assert.equal(traffic.sentBytes, 60 * wanted[i]!.length);
  }
});

Deno.test("a link that breaks ends its own session with that failure; the others go on", async () => {
  await using w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  const failure = new TtunError("protocol", "damaged");
  a.link.deliver(from("10.8.0.2", 1));
  a.link.end(failure);
  await a.ended;
  assert.equal(a.error, failure);
  w.device.inject(to("10.8.0.2", 2), to("10.8.0.3", 3));
  b.link.deliver(from("10.8.0.3", 4));
  await w.clock.settle();
  assert.deepEqual([marksAtEnd(b.link.sent), marksAtEnd(w.device.written)], [[3], [1, 4]]);
  assert.equal(b.error, undefined);
});

Deno.test("a packet that no link carries is answered, once in a while, and counted as unfit", async () => {
  await using w = new PoolRouterWorld();
  const a = w.join("a", A);
  w.device.inject(to("fd00:8::2", 1, 1_401), to("fd00:8::2", 2, 1_400), to("fd00:8::2", 3, 9_000));
  await w.clock.settle();
  assert.deepEqual(marksAtEnd(a.link.sent), [2]);
  assert.equal(w.router.counters.droppedUnfit, 2);
  const [answer, ...more] = w.device.written;
  assert.deepEqual([answer?.[40], more.length], [2, 0]);
  assert.deepEqual(answer?.slice(8, 40), from("fd00:8::2", 0).slice(8, 40));
  assert.equal(readU32(answer!, 44), 1_400);
  await w.clock.advance(10);
  w.device.inject(to("fd00:8::2", 4, 1_401));
  await w.clock.settle();
  assert.equal(w.device.written.length, 2);
});

Deno.test("a device that is lost ends run(), and each session that has packets for it", async () => {
  const w = new PoolRouterWorld();
  const [a, b] = [w.join("a", A), w.join("b", B)];
  const failure = new TtunError("system", "the device was removed");
  w.device.lose(failure);
  assert.equal(await w.running, failure);
  a.link.deliver(from("10.8.0.2", 1));
  b.link.deliver(from("10.8.0.3", 2));
  await a.ended;
  await b.ended;
  assert.deepEqual([a.error, b.error], [failure, failure]);
});

Deno.test("an abort closes the device, which ends run()", async () => {
  const w = new PoolRouterWorld();
  await w.clock.settle();
  await w[Symbol.asyncDispose]();
  const ended = await w.running;
  assert(ended instanceof TtunError && ended.kind === "lost");
  assert.equal(w.device.closed, true);
});
