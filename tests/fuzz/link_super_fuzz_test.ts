import assert from "node:assert/strict";
import fc from "fast-check";
import { makePackets, MAX_SUPER_PACKET } from "../../src/contract/batch.ts";
import { concat } from "../../src/base/bytes.ts";
import { TtunError } from "../../src/base/errors.ts";
import { writeVarint } from "../../src/base/varint.ts";
import { seededRng } from "../fake/rng.ts";
import { arriving, type Parcel, parcelsIn, speak, v2Pair } from "../fake/v2_pair.ts";
import { receive } from "../suite/waiting.ts";

fc.configureGlobal({ seed: 9 });

const RANDOM = seededRng(1)(70_000);

/** A frame, as somebody with the key may write it. */
type Written =
  | { kind: "packet"; body: Uint8Array; size: 1 | 2 | 4 | 8 }
  | { kind: "super"; flags: number; header: Uint8Array; body: Uint8Array; size: 1 | 2 | 4 | 8 }
  | { kind: "other"; bytes: Uint8Array }
  | { kind: "last"; bytes: Uint8Array };

const body = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.nat(4000), fc.nat(40)) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(4000), fc.integer({ min: 20_000, max: 40_000 })) },
).map(([from, length]) => RANDOM.subarray(from, from + length));
const header = fc.oneof(
  fc.uint8Array({ minLength: 10, maxLength: 10 }),
  fc.constant(new Uint8Array(10)),
);
const size = fc.constantFrom<1 | 2 | 4 | 8>(4, 4, 4, 1, 2, 8);
const gsoPacket = (flags: fc.Arbitrary<number>) =>
  fc.record({ kind: fc.constant("super" as const), flags, header, body, size });

/** Pieces in their order, mostly: else no packet would ever be whole. */
const inOrder = fc.tuple(
  gsoPacket(fc.constant(1)),
  fc.array(gsoPacket(fc.constant(3)), { maxLength: 2 }),
  gsoPacket(fc.constant(2)),
).map(([first, middle, last]): Written[] => [first, ...middle, last]);
const other = fc.constantFrom(
  Uint8Array.of(3, 1, 2, 3, 4, 5, 6, 7, 8),
  Uint8Array.of(0x80, 5, 0, 0, 0, 0, 0),
  Uint8Array.of(0xff, 0x40, 2, 9, 9),
).map((bytes): Written[] => [{ kind: "other", bytes }]);
/** End of a record: padding, or new keys. */
const last = fc.constantFrom(Uint8Array.of(0), new Uint8Array(30), Uint8Array.of(5)).map(
  (bytes): Written[] => [{ kind: "last", bytes }],
);
const one = (frame: fc.Arbitrary<Written>) => frame.map((it) => [it]);
const frames = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: inOrder },
    {
      weight: 3,
      arbitrary: one(fc.record({ kind: fc.constant("packet" as const), body, size })),
    },
    { weight: 5, arbitrary: one(gsoPacket(fc.constant(0))) },
    { weight: 1, arbitrary: one(gsoPacket(fc.oneof(fc.nat(3), fc.nat(255)))) },
    { weight: 3, arbitrary: other },
    { weight: 2, arbitrary: last },
  ),
  { maxLength: 12, size: "max" },
).map((groups) => groups.flat());

function bytesOf(frame: Written): Uint8Array {
  if (frame.kind === "other" || frame.kind === "last") return frame.bytes;
  const fits = frame.body.length < 64 ? frame.size : frame.size === 8 ? 8 : 4;
  const length = new Uint8Array(fits);
  writeVarint(length, 0, frame.body.length, fits);
  if (frame.kind === "packet") return concat(Uint8Array.of(1), length, frame.body);
  const isContinued = (frame.flags & 2) !== 0;
  return concat(
    Uint8Array.of(2, frame.flags),
    length,
    isContinued ? new Uint8Array() : frame.header,
    frame.body,
  );
}

/** Frames to records: a new one where the last is ended, is full, or now and then. */
function recordsOf(all: Written[], cuts: boolean[]): Written[][] {
  const records: Written[][] = [];
  let room = 0;
  for (const [i, frame] of all.entries()) {
    const { length } = bytesOf(frame);
    if (length > room || cuts[i % cuts.length]) {
      records.push([]);
      room = 65_519;
    }
    records.at(-1)!.push(frame);
    room = frame.kind === "last" ? 0 : room - length;
  }
  return records;
}

/** Result by docs/wire/link-v2.md: the packets of each record, up to the end of the session. */
function judge(records: Written[][]): { found: Parcel[][]; isRefused: boolean } {
  const found: Parcel[][] = [];
  let begun: { header: Uint8Array; pieces: Uint8Array[] } | null = null;
  for (const record of records) {
    const parcels: Parcel[] = [];
    found.push(parcels);
    for (const frame of record) {
      if (frame.kind === "packet") {
        if (begun !== null) return { found, isRefused: true };
        parcels.push({ packet: frame.body, header: null });
      }
      if (frame.kind !== "super") continue;
      const { flags } = frame;
      if (flags > 3 || (begun !== null) !== flags >= 2) return { found, isRefused: true };
      begun ??= { header: frame.header, pieces: [] };
      begun.pieces.push(frame.body);
      const packet: Uint8Array = concat(...begun.pieces);
      if (flags !== 0 && packet.length > MAX_SUPER_PACKET) return { found, isRefused: true };
      if (flags % 2 === 1) continue;
      parcels.push(...arriving([{ packet, header: begun.header }]));
      begun = null;
    }
  }
  return { found, isRefused: false };
}

Deno.test("whatever comes as packets, whole and in pieces, is read as by a second reading or refused", async () => {
  const tally = { read: 0, refused: 0, pieces: 0, packets: 0 };
  await fc.assert(
    fc.asyncProperty(
      frames,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 9 }),
      fc.constantFrom(1, 2, 7, 300, 5_000, 70_000, 2 ** 20),
      async (all, cuts, chunk) => {
        const records = recordsOf(all, cuts);
        const wanted = judge(records);
        const texts = records.map((record) => concat(...record.map(bytesOf)));
        const size = texts.reduce((sum, text) => sum + text.length, 0);
        // The reader gets at most so many bytes at a time; not too little of much.
        const pair = v2Pair({ capacity: Math.max(chunk, Math.ceil(size / 100)) });
        const rekeys = (i: number) => records[i]!.at(-1)!.kind === "last" && texts[i]!.at(-1) === 5;
        const speaking = speak(pair, texts, rekeys).then(
          () => pair.near.stream.closeWrite(),
          () => {},
        );
        const found: Parcel[] = [];
        let error: unknown = null;
        try {
          for (const into = makePackets(0); await receive(pair.far, into) > 0;) {
            found.push(...parcelsIn(into));
          }
        } catch (thrown) {
          error = thrown;
          pair.stream.reset(); // who still speaks need not wait
        }
        await speaking;
        if (wanted.isRefused) {
          assert(error instanceof TtunError && error.kind === "protocol", String(error));
          tally.refused++;
          // Of the record in which it ended, some of what stood before may be lost.
          assert(found.length >= wanted.found.slice(0, -1).flat().length);
          assert.deepEqual(found, wanted.found.flat().slice(0, found.length));
        } else {
          assert.equal(error, null);
          assert.deepEqual(found, wanted.found.flat());
          tally.read++;
        }
        tally.packets += found.length;
        if (all.some((frame) => frame.kind === "super" && frame.flags === 3)) tally.pieces++;
      },
    ),
    { numRuns: 300 },
  );
  assert(Math.min(...Object.values(tally)) > 60, JSON.stringify(tally));
});

Deno.test("any bytes as a record's text are read, or refused by an error of ours", async () => {
  const tally = { read: 0, refused: 0 };
  const text = fc.array(fc.oneof(fc.nat(5), fc.nat(255), fc.constantFrom(0x80, 2, 10)), {
    minLength: 1,
    maxLength: 60,
  }).map((bytes) => new Uint8Array([2, ...bytes]));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 3 }), async (texts) => {
      const pair = v2Pair();
      await speak(pair, texts);
      await pair.near.stream.closeWrite();
      try {
        const into = makePackets(0);
        while (await receive(pair.far, into) > 0) {
          for (const { packet, header } of parcelsIn(into)) {
            assert(packet.length + (header?.length ?? 0) <= 60);
          }
        }
        tally.read++;
      } catch (error) {
        // Frame 22 is the peer's own end; 05 under the same keys goes on with damaged records.
        assert(error instanceof TtunError && error.kind !== "internal", String(error));
        tally.refused++;
      }
    }),
    { numRuns: 300 },
  );
  assert(tally.refused > 100, JSON.stringify(tally));
});
