import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { LoadedRing, RingRows } from "../../contract/mesh_disk.ts";
import { encodeDescriptor, signDescriptor } from "./descriptor.ts";
import { hlcOfMs } from "./hybrid_clock.ts";
import type { MeshRecord } from "./record.ts";
import { EMPTY_IMAGE } from "./ring_disk.ts";
import { imageOf, rowsOf } from "./ring_rows.ts";

const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const record: fc.Arbitrary<MeshRecord> = fc.record({
  bucket: fc.constantFrom("kv/a", "kv/b"),
  child: fc.string(),
  value: fc.uint8Array(),
  version: fc.record({ epoch: u64, hlc: u64, writer: u64 }),
  expiry: fc.nat(),
  isTombstone: fc.boolean(),
  class: fc.constant("durable" as const),
}, { noNullPrototype: true });

const descriptor = signDescriptor({
  publicKey: new Uint8Array(32).fill(7),
  place: 3,
  addresses: ["192.0.2.1:20204"],
  host: "h",
  zone: "z",
  roles: ["node"],
  incarnation: 1,
  lowestVersion: 1,
  highestVersion: 1,
  notAfter: 2,
}, () => new Uint8Array(64));

function stored(rows: RingRows, wasDamaged = false): LoadedRing {
  return {
    rows: rows.put,
    peers: rows.peers ?? [],
    values: new Map(rows.values.map(({ name, value }) => [name, value])),
    wasDamaged,
  };
}

Deno.test("ring rows: what a batch says is what the node finds again", () => {
  fc.assert(fc.property(fc.array(record), u64, fc.nat(15), (put, reservedHlc, place) => {
    const peers = [{ descriptor, heardAtMs: 5 }];
    const ready = { since: 7, until: 2 ** 45 };
    const rows = rowsOf({ put, remove: [], reservedHlc, peers, place, ready });
    deepEqual(imageOf(stored(rows), 0, true), {
      records: put,
      reservedHlc,
      peers,
      place,
      ready,
    });
  }));
});

Deno.test("ring rows: an empty disk is an empty image; a lost one reserves what may have been given", () => {
  const none = rowsOf({ put: [], remove: [] });
  deepEqual(imageOf(stored(none), 9, false), EMPTY_IMAGE);
  equal(imageOf(stored(none, true), 1000, false).reservedHlc, hlcOfMs(61_000));
  equal(imageOf(stored(none), 1000, true).reservedHlc, hlcOfMs(61_000));
});

Deno.test("ring rows: a peer that cannot be read is left out", () => {
  const good = { descriptor: encodeDescriptor(descriptor), heardAtMs: 1 };
  const rows: RingRows = {
    put: [],
    remove: [],
    values: [],
    peers: [{ descriptor: new Uint8Array(9), heardAtMs: 1 }, good],
  };
  equal(imageOf(stored(rows), 0, true).peers.length, 1);
});
