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
