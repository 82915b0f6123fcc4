import assert from "node:assert/strict";
import { drain } from "../../../tests/fake/drain.ts";
import { recordsIn } from "../../../tests/fake/link_session.ts";
import { seededRng } from "../../../tests/fake/rng.ts";
import {
  ABLE,
  BARE,
  carry,
  everyRecords,
  layOutAs,
  NEVER,
  type Parcel,
  parcelsIn,
  receiveAll,
  speak,
  UNABLE,
  v2Pair,
} from "../../../tests/fake/v2_pair.ts";
import { concat, fromHex, toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { makePackets } from "../../contract/batch.ts";
import { receive } from "../../../tests/suite/waiting.ts";

const RANDOM = seededRng(1)(66_000);
const HEADER = fromHex("01013400e80314001000");
const ZEROS = new Uint8Array(10);

/** A record holds 65519 bytes of text, the frame of a super-packet 16 besides the packet. */
const FITS = 65_519 - 16;
const LONGEST = 65_575;

/** A frame 02 as the page has it. */
function frame02(flags: number, header: Uint8Array | null, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const head = Uint8Array.of(2, flags, 0x80, length >>> 16, length >>> 8, length);
  return concat(head, header ?? new Uint8Array(), bytes);
}

const first = (bytes: Uint8Array) => frame02(1, HEADER, bytes);
const middle = (bytes: Uint8Array) => frame02(3, null, bytes);
const last = (bytes: Uint8Array) => frame02(2, null, bytes);
const parcel = (length: number, header: Uint8Array | null = HEADER): Parcel => ({
  packet: RANDOM.subarray(length % 400, length % 400 + length),
  header,
});

for (const length of [FITS, FITS + 1, 65_535, LONGEST]) {
  Deno.test(`a packet of ${length} bytes goes in as few records as it fits in`, async () => {
    for (const header of [HEADER, null]) {
      const pair = v2Pair();
      const one = parcel(length, header);
      await pair.near.send(layOutAs(pair.near.layout, [one]));
      assert.equal(pair.writes.length, 1);
      const texts = recordsIn(pair.sessions.far.opener, await drain(pair.stream));
      const said = header ?? ZEROS;
      const wanted = length <= FITS ? [frame02(0, said, one.packet)] : [
        frame02(1, said, one.packet.subarray(0, FITS)),
        last(one.packet.subarray(FITS)),
      ];
      assert.deepEqual(texts.map((text) => text.length), wanted.map((text) => 2 * text.length));
      assert(texts.join() === wanted.map(toHex).join());
    }
  });

  Deno.test(`a packet of ${length} bytes arrives whole among others, waits and rekeys`, async () => {
    const all = [parcel(40), parcel(length), parcel(1280, null), parcel(length, null), parcel(9)];
    for (const capacity of [17, 5_000, 66_000, 2 ** 20]) {
      for (const records of capacity === 17 ? [2] : [1, 2, 3, Infinity]) {
        const pair = v2Pair({ capacity, rekey: everyRecords(records) });
        const batches = [all, all].map((one) => layOutAs(pair.near.layout, one));
        const found = await carry(pair, batches);
        const sizes = [...all, ...all].map((one) => one.packet.length);
        assert.deepEqual(found.map((one) => one.packet.length), sizes);
        assert.deepEqual(found, [...all, ...all]);
      }
    }
  });
}

Deno.test("a packet that goes in pieces is not changed, nor are those behind it while it waits", async () => {
  const pair = v2Pair({ capacity: 1_000 });
  const all = [parcel(LONGEST), parcel(100)];
  const batch = layOutAs(pair.near.layout, all);
  const right = batch.bytes.slice();
  const sending = pair.near.send(batch);
  assert(sending instanceof Promise);
  assert.deepEqual(batch.bytes, right);
  const receiving = receiveAll(pair.far);
  await sending;
  await pair.near.stream.closeWrite();
  assert.deepEqual(await receiving, all);
});

Deno.test("keys change before their time is up, pieces or not", async () => {
  const sizes = [40, FITS + 1, 40, 40, FITS + 1, FITS + 1, 40, 65_535, 40, 40, 40, LONGEST];
  for (const rekey of [everyRecords(4), { ...NEVER, bytes: 100_000 }]) {
    const pair = v2Pair({ rekey, capacity: 2 ** 20 });
    const { sealer } = pair.sessions.near;
    let rekeys = 0;
    let bytes = 0;
    const newKeys = sealer.rekey.bind(sealer);
    sealer.rekey = () => {
      assert(sealer.counter <= rekey.records);
      rekeys++;
      bytes = 0;
      newKeys();
    };
    for (const size of sizes) {
      await pair.near.send(layOutAs(pair.near.layout, [parcel(size)]));
      bytes += size;
      assert(sealer.counter < rekey.records && bytes <= rekey.bytes, `${size} bytes`);
    }
    assert.equal(rekeys, rekey.records === 4 ? 6 : 4);
    await pair.near.stream.closeWrite();
    assert.deepEqual(await receiveAll(pair.far), sizes.map((size) => parcel(size)));
  }
});

/** Packets that the far end gets from such records, and the error that ends it; null = none. */
async function heard(
  texts: Uint8Array[],
  far = ABLE,
): Promise<{ found: Parcel[]; error: unknown }> {
  const pair = v2Pair({ far });
  await speak(pair, texts);
  await pair.near.stream.closeWrite();
  const found: Parcel[] = [];
  const into = makePackets(0);
  try {
    while (await receive(pair.far, into) > 0) found.push(...parcelsIn(into));
    return { found, error: null };
  } catch (error) {
    return { found, error };
  }
}

const [a, b, c] = [RANDOM.slice(0, 50), RANDOM.slice(50, 51), RANDOM.slice(51, 351)];
const whole = { packet: concat(a, b, c), header: HEADER };
const other = { packet: RANDOM.slice(400, 440), header: null };
const packet = concat(fromHex("014028"), other.packet);
const ping = fromHex("030102030405060708");

const TAKEN: Record<string, Uint8Array[]> = {
  "two records": [first(concat(a, b)), last(c)],
  "one record": [concat(first(concat(a, b)), last(c))],
  "three records": [first(a), middle(b), last(c)],
  "pieces of no byte": [
    first(a.subarray(0, 0)),
    concat(middle(concat(a, b)), middle(b.subarray(1)), last(c)),
  ],
  "the last of no byte": [first(whole.packet), last(a.subarray(0, 0))],
  "other frames between": [
    concat(first(a), ping, fromHex("80050000000000"), new Uint8Array(70)),
    new Uint8Array(9),
    concat(ping, middle(b), fromHex("ff0201ff")),
    concat(last(c), ping),
  ],
  "new keys between": [first(a), Uint8Array.of(5), middle(b), Uint8Array.of(5), last(c)],
};

for (const [name, texts] of Object.entries(TAKEN)) {
  Deno.test(`pieces make a packet again: ${name}`, async () => {
    const { found, error } = await heard([...texts, packet, ...texts]);
    assert.equal(error, null);
    assert.deepEqual(found, [whole, other, whole]);
    const crowded = await heard([concat(packet, ...texts.slice(0, 1)), ...texts.slice(1)]);
    assert.deepEqual(crowded.found, [other, whole], "a packet before the first, in its record");
  });
}

Deno.test("a header of zeros before pieces is none", async () => {
  const { found } = await heard([frame02(1, ZEROS, a), last(concat(b, c))]);
  assert.deepEqual(found, [{ ...whole, header: null }]);
});

const REFUSED: Record<string, Uint8Array[]> = {
  "a last piece without a beginning": [last(c)],
  "a middle piece without a beginning": [middle(b)],
  "a second beginning": [first(a), first(a)],
  "a whole super-packet between": [first(a), frame02(0, HEADER, c)],
  "a packet between": [first(a), packet, last(c)],
  "a packet between, in one record": [concat(first(a), packet)],
  "a last piece after the last": [first(a), last(b), last(c)],
  "a middle piece after the last": [first(a), last(b), middle(c)],
  ...Object.fromEntries(
    [4, 8, 0x10, 0x80, 0xff].flatMap((flags) => [
      [`flags ${flags}`, [frame02(flags, (flags & 2) === 0 ? HEADER : null, a)]],
      [`flags ${flags} between`, [first(a), frame02(flags, (flags & 2) === 0 ? HEADER : null, a)]],
    ]),
  ),
  "more than 65575 bytes": [first(RANDOM.subarray(0, 65_000)), last(RANDOM.subarray(0, 576))],
  "more than 65575 bytes, little by little": [
    first(RANDOM.subarray(0, 40_000)),
    middle(RANDOM.subarray(0, 25_575)),
    middle(RANDOM.subarray(0, 1)),
  ],
  "a beginning that is cut": [first(a).subarray(0, -1)],
  "a continuation that is cut": [first(a), last(c).subarray(0, -1)],
  "a header that is cut": [first(a).subarray(0, 12)],
  "nothing but a type": [Uint8Array.of(2)],
  "no length": [Uint8Array.of(2, 1)],
  "a length beyond all": [concat(Uint8Array.of(2, 1), fromHex("c01fffffffffffff"), HEADER, a)],
  "a length of 2^62-1": [concat(Uint8Array.of(2, 0), fromHex("ffffffffffffffff"), HEADER, a)],
};

function assertRefused(error: unknown): void {
  assert(error instanceof TtunError && error.kind === "protocol", String(error));
}

for (const [name, texts] of Object.entries(REFUSED)) {
  Deno.test(`out of place, and the end of the session: ${name}`, async () => {
    const { found, error } = await heard([packet, ...texts, packet]);
    assertRefused(error);
    assert.deepEqual(found[0], other, "what came before it stands");
    assert(found.slice(1).every((one) => one.packet.length > 40), "what came behind it does not");
    const crowded = await heard([concat(packet, texts[0]!), ...texts.slice(1), packet]);
    assertRefused(crowded.error);
  });
}

Deno.test("pieces of 65575 bytes in all are taken, however many", async () => {
  const all = RANDOM.subarray(0, LONGEST);
  const pieces = Array.from({ length: 41 }, (_, i) => all.subarray(1600 * i, 1600 * (i + 1)));
  const { found, error } = await heard([
    first(pieces[0]!),
    ...pieces.slice(1, -1).map(middle),
    last(pieces.at(-1)!),
  ]);
  assert.equal(error, null);
  assert.deepEqual(found.map((one) => one.packet.length), [LONGEST]);
  assert.deepEqual(found[0]!.packet, all);
});

Deno.test("an end that offered no super-packets refuses each, of any kind", async () => {
  for (const far of [UNABLE, BARE]) {
    for (const text of [frame02(0, HEADER, a), frame02(0, ZEROS, a), first(a), last(a)]) {
      const { found, error } = await heard([packet, text], far);
      assertRefused(error);
      assert.deepEqual(found, [other]);
    }
  }
});

Deno.test("an end between pieces is an end", async () => {
  assert.deepEqual(await heard([packet, first(a)]), { found: [other], error: null });
});

Deno.test("pieces go to one place, however many packets come in pieces", async () => {
  const pair = v2Pair();
  await speak(
    pair,
    Array.from(
      { length: 20 },
      () => concat(first(RANDOM.subarray(0, 9)), last(RANDOM.subarray(9, 20))),
    ),
  );
  const into = makePackets(0);
  const places = new Set<Uint8Array>();
  for (let i = 0; i < 20; i++) {
    assert.equal(pair.far.recvNow(into), 1);
    assert.deepEqual(parcelsIn(into)[0]!.packet, RANDOM.slice(0, 20));
    places.add(into.bytes);
  }
  assert.equal(places.size, 1);
});
