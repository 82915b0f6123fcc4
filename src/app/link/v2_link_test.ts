import assert from "node:assert/strict";
import { setImmediate as macrotask } from "node:timers/promises";
import fc from "fast-check";
import { seededRng } from "../../../tests/fake/rng.ts";
import {
  ABLE,
  arriving,
  BARE,
  carry,
  everyRecords,
  layOut,
  layOutAs,
  NEVER,
  type Parcel,
  receiveAll,
  UNABLE,
  v2Pair,
} from "../../../tests/fake/v2_pair.ts";
import { Offload, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import { RECORD_TAG } from "../../core/link/v2/record.ts";
import type { DeviceFacts, V2Link } from "./v2_link.ts";
import { read } from "../loop/stream_io.ts";

fc.configureGlobal({ seed: 8 });

const RANDOM = seededRng(1)(80_000);
const ZEROS = new Uint8Array(VIRTIO_NET_HEADER);

/** Links by what their ends' devices are, and the longest packet of each. */
const KINDS: Record<string, { near: DeviceFacts; far: DeviceFacts; longest: number }> = {
  "both take all": { near: ABLE, far: ABLE, longest: 65_535 },
  "TCP alone": { near: ABLE, far: { ...ABLE, takes: Offload.tcp }, longest: 65_535 },
  "the far end does not": { near: ABLE, far: BARE, longest: 65_507 },
  "the near end does not": { near: UNABLE, far: ABLE, longest: 65_507 },
  "no room for headers": { near: BARE, far: ABLE, longest: 65_514 },
};

const size = fc.oneof(
  fc.nat(40),
  fc.nat(40),
  fc.nat(1500),
  fc.integer({ min: 8_000, max: 17_000 }),
  fc.constantFrom(16_383, 16_384, 65_503, 65_504, 65_535),
);
const anyHeader = fc.uint8Array({ minLength: 10, maxLength: 10 });
const parcels = fc.array(
  fc.tuple(size, fc.nat(9_999), fc.option(fc.oneof(anyHeader, fc.constant(ZEROS)))),
  { minLength: 1, maxLength: 30, size: "+1" },
);

/** Parcels that such a link carries. */
function fitting(some: [number, number, Uint8Array | null][], link: V2Link, longest: number) {
  return some.map(([length, from, header]): Parcel => ({
    packet: RANDOM.subarray(from, from + Math.min(length, longest)),
    header: link.offload === Offload.none ? null : header,
  }));
}

const capacity = fc.constantFrom(700, 5_000, 40_000, 256 * 1024);
const rekey = fc.option(fc.constantFrom(1, 2, 3).map(everyRecords), { nil: undefined });

for (const [name, { near, far, longest }] of Object.entries(KINDS)) {
  Deno.test(`batches laid out as the link asks arrive whole and in order: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(parcels, { maxLength: 3 }), capacity, rekey, async (some, c, r) => {
        const pair = v2Pair({ near, far, capacity: c, ...(r && { rekey: r }) });
        const all = some.map((one) => fitting(one, pair.near, longest));
        const found = await carry(pair, all.map((one) => layOutAs(pair.near.layout, one)));
        assert.deepEqual(found, arriving(all.flat()));
      }),
      { numRuns: 25 },
    );
  });

  Deno.test(`batches laid out in any other way arrive whole and in order: ${name}`, async () => {
    // Least bytes before a packet: the device's header, or nothing.
    const gaps = fc.array(fc.oneof(fc.nat(4), fc.nat(40)), { minLength: 1, maxLength: 9 });
    const spacing = fc.oneof(
      gaps.map((some) => (i: number, least: number) => least + some[i % some.length]!),
      // No room for any tag or length between two records.
      fc.constant((_: number, _least: number, headroom: number) => headroom),
    );
    await fc.assert(
      fc.asyncProperty(parcels, spacing, capacity, rekey, async (some, gap, c, r) => {
        const pair = v2Pair({ near, far, capacity: c, ...(r && { rekey: r }) });
        const all = fitting(some, pair.near, longest);
        const { groupHeadroom, headroom } = pair.near.layout;
        const before = (i: number) =>
          i === 0 ? groupHeadroom + headroom : gap(i, near.headroom, headroom);
        const found = await carry(pair, [layOut(all, before)]);
        assert.deepEqual(found, arriving(all));
      }),
      { numRuns: 40 },
    );
  });

  Deno.test(`a batch laid out as the link asks goes out in one write: ${name}`, async () => {
    const sizes = [40, 1280, 0, 1, 9000, 9000, 9000, 16_383, 16_383, 5, 1280, 40_000, 60_000, 7];
    const some = sizes.map((length): [number, number, null] => [length, 7 * length % 999, null]);
    const pair = v2Pair({ near, far });
    const all = fitting(some, pair.near, longest);
    const batch = layOutAs(pair.near.layout, all);
    assert.equal(pair.near.send(batch), undefined);
    assert.equal(pair.writes.length, 1);
    assert.equal(pair.writes[0]!.buffer, batch.bytes.buffer, "where it lies");
    await pair.near.stream.closeWrite();
    assert.deepEqual(await receiveAll(pair.far), all);
  });

  Deno.test(`tiny writes that all wait change nothing: ${name}`, async () => {
    const little = fc.array(fc.tuple(fc.nat(60), fc.nat(9_999), fc.option(anyHeader)), {
      maxLength: 12,
    });
    const records = fc.option(fc.constantFrom(2, 3).map(everyRecords), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        little,
        fc.nat(50),
        fc.integer({ min: 1, max: 60 }),
        records,
        async (some, gap, c, r) => {
          const pair = v2Pair({ near, far, capacity: c, ...(r && { rekey: r }) });
          const all = fitting(some, pair.near, longest);
          const found = await carry(pair, [layOut(all, (i) => i === 0 ? 18 : near.headroom + gap)]);
          assert.deepEqual(found, arriving(all));
        },
      ),
      { numRuns: 30 },
    );
  });
}

Deno.test("while a write waits, what is not part of it is untouched", async () => {
  const gaps = fc.array(fc.constantFrom(0, 1, 6, 8, 20, 40), { minLength: 1, maxLength: 5 });
  let looks = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.nat(999), fc.option(anyHeader)), {
        minLength: 2,
        maxLength: 9,
      }),
      gaps,
      fc.constantFrom(ABLE, UNABLE),
      fc.option(fc.constantFrom(2, 3).map(everyRecords), { nil: undefined }),
      async (some, more, near, r) => {
        const pair = v2Pair({ near, capacity: 5, ...(r && { rekey: r }) });
        const all = fitting(some, pair.near, 60);
        const batch = layOut(all, (i) => i === 0 ? 18 : near.headroom + more[i % more.length]!);
        const right = batch.bytes.slice();
        const sending = pair.near.send(batch);
        let isSent = false;
        Promise.resolve(sending).then(() => isSent = true);
        const into = new Uint8Array(5);
        for (let end = 0; !isSent;) {
          const writing = pair.writes.at(-1)!;
          const isOurs = writing.buffer === batch.bytes.buffer; // else the keys change
          if (isOurs) end = writing.byteOffset + writing.length;
          for (const [i, { packet, header }] of all.entries()) {
            const at = batch.offset[i]!;
            const to = at + packet.length;
            if (to <= end - RECORD_TAG) continue; // it is sent, or being sent
            const from = Math.max(at - (header === null ? 0 : VIRTIO_NET_HEADER), isOurs ? end : 0);
            assert.deepEqual(batch.bytes.subarray(from, to), right.subarray(from, to));
            looks++;
          }
          await read(pair.stream, into);
          await macrotask();
        }
      },
    ),
    { numRuns: 40 },
  );
  assert(looks > 1000, `${looks}`);
});

Deno.test("keys that are due for every record, over writes that all wait, are changed in the end", async () => {
  const some = [1, 2].map((i) => ({ packet: RANDOM.subarray(i, 40 * i), header: null }));
  const limits = [everyRecords(1), { ...NEVER, bytes: 30 }, { ...NEVER, ms: 9 }];
  for (const [i, rekey] of limits.entries()) {
    const pair = v2Pair({ capacity: 5, rekey });
    let isSent = false;
    void Promise.resolve(pair.near.send(layOutAs(pair.near.layout, some))).then(() =>
      isSent = true
    );
    const into = new Uint8Array(5);
    for (let reads = 0; reads < 500 && !isSent; reads++) {
      await read(pair.stream, into);
      await pair.clock.advance(10);
    }
    assert(isSent, `limit ${i}: ${pair.writes.length} writes for ${some.length} packets`);
  }
});
