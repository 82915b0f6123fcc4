import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { CIRCLE, isWithin } from "./circle.ts";
import type { RingHashes } from "./hashes.ts";
import type { MeshRecord } from "./record.ts";
import { RecordStore } from "./record_store.ts";

/** Buckets are named by their positions here. */
const HASHES: RingHashes = {
  position: (bucket) => BigInt(bucket),
  sum: ({ child, version }) => (BigInt(child.length + 1) << 120n) + version.hlc * 7n,
};

function record(position: bigint, child = "", hlc = 1n, expiry = 0): MeshRecord {
  return {
    bucket: String(position),
    child,
    value: new Uint8Array(3),
    version: { epoch: 0n, hlc, writer: 1n },
    expiry,
    isTombstone: false,
    class: "durable",
  };
}

const positions = fc.oneof(
  fc.bigInt({ min: 0n, max: CIRCLE - 1n }),
  // Near the borders of segments.
  fc.tuple(fc.integer({ min: 0, max: 3 }), fc.bigInt({ min: -2n, max: 2n })).map(([segment, by]) =>
    ((BigInt(segment) << 120n) + by + CIRCLE) % CIRCLE
  ),
);

Deno.test("record store: sums and lists of a range are those of its records", () => {
  fc.assert(
    fc.property(fc.array(positions, { maxLength: 30 }), positions, positions, (all, from, to) => {
      const store = new RecordStore(HASHES);
      for (const position of all) store.put(record(position));
      const within = [...new Set(all)].filter((position) => isWithin(from, position, to));
      const summary = store.summary(from, to);
      equal(summary.count, within.length);
      equal(summary.sum, ((1n << 120n) + 7n) * BigInt(within.length) % CIRCLE);
      const far = (position: bigint) => (position - from - 1n + CIRCLE) % CIRCLE;
      within.sort((a, b) => far(a) < far(b) ? -1 : 1);
      const found = store.bucketsIn(from, to).map(({ position }) => position);
      if (from !== to) deepEqual(found, within);
      else equal(found.length, within.length);
    }),
    { numRuns: 500 },
  );
});

Deno.test("record store: only newer versions are taken, and nothing is left of what goes", () => {
  const store = new RecordStore(HASHES);
  equal(store.put(record(5n, "a", 2n)), true);
  equal(store.put(record(5n, "a", 1n)), false);
  equal(store.put(record(5n, "a", 2n)), false);
  equal(store.put(record(5n, "b", 1n)), true);
  equal(store.count, 2);
  store.remove(record(5n, "a"));
  store.remove(record(5n, "b"));
  store.remove(record(5n, "b"));
  deepEqual([store.count, store.bytes, store.summary(0n, 0n)], [0, 0, { count: 0, sum: 0n }]);
});

Deno.test("record store: records that expire are told once, unless a newer one came", () => {
  const store = new RecordStore(HASHES);
  store.expired(1000);
  store.put(record(1n, "", 1n, 5000));
  store.put(record(2n, "", 1n, 5000));
  store.put(record(2n, "", 2n, 9000));
  const told = (nowMs: number) => store.expired(nowMs).map(({ bucket }) => bucket);
  deepEqual([told(4000), told(6000), told(6000), told(500_000)], [[], ["1"], [], ["2"]]);
});

const changes = fc.array(
  fc.record({
    position: fc.integer({ min: 0, max: 5 }),
    child: fc.constantFrom("a", "b"),
    hlc: fc.bigInt({ min: 1n, max: 20n }),
    expiry: fc.constantFrom(0, 9000, 30_000),
    isPut: fc.boolean(),
    isTold: fc.boolean(),
  }),
  { maxLength: 60 },
);

Deno.test("record store: sums are right whenever they are asked for, whatever was replaced and removed", () => {
  fc.assert(fc.property(changes, (all) => {
    const store = new RecordStore(HASHES);
    const held = new Map<string, MeshRecord>();
    for (const { position, child, hlc, expiry, isPut, isTold } of all) {
      const one = record(BigInt(position) << 119n, child, hlc, expiry);
      const key = `${position} ${child}`;
      if (!isPut) {
        store.remove(one);
        held.delete(key);
      } else if (store.put(one)) held.set(key, one);
      const sum = [...held.values()].reduce((sum, one) => sum + HASHES.sum(one), 0n) % CIRCLE;
      if (isTold) deepEqual(store.summary(0n, 0n), { count: held.size, sum });
    }
    const ofOne = [...held.values()].filter(({ bucket }) => bucket === "0");
    equal(store.sumOf("0"), ofOne.reduce((sum, one) => sum + HASHES.sum(one), 0n) % CIRCLE);
    equal(store.expiring, [...held.values()].filter(({ expiry }) => expiry > 0).length);
  }));
});

Deno.test("record store: a hash is made for what is there when a sum is told, or when many wait", () => {
  let hashes = 0;
  const store = new RecordStore({
    ...HASHES,
    sum: (one) => {
      hashes++;
      return HASHES.sum(one);
    },
  });
  for (let hlc = 1n; hlc <= 100n; hlc++) store.put(record(1n, "hot", hlc));
  equal(hashes, 0);
  store.summary(0n, 0n);
  equal(hashes, 1);
  for (let i = 0; i < 1000; i++) store.put(record(1n, `k${i}`));
  equal(hashes > 900, true);
});
