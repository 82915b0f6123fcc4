import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex, utf8 } from "../../base/bytes.ts";
import { formatIp } from "../../base/addr.ts";
import { ProtocolError } from "../../base/errors.ts";
import { Reader } from "../../base/varint.ts";
import {
  isNumbered,
  MAX_DATA_HEADER,
  type MuxAddress,
  type MuxFrameHandler,
  type Open,
  OpenKind,
  packAck,
  packAddress,
  packDatagramHead,
  packDataHeader,
  packFin,
  packMove,
  packOpen,
  packOpenBody,
  packOpened,
  packPosition,
  packReset,
  packWindow,
  readAddress,
  readMuxFrame,
} from "./frames.ts";

fc.configureGlobal({ seed: 20 });

const TYPES = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x18, 0x20, 0x21];

/** Calls of the handler, with copies of what is lent. */
type Call = readonly unknown[];

/** Reads all of `bytes[at..end)`; `calls` are those until something was refused. */
function read(bytes: Uint8Array, at = 0, end = bytes.length, calls: Call[] = []): Call[] {
  const note = (name: string) => (...values: unknown[]) =>
    void calls.push([
      name,
      ...values.map((value) => value instanceof Uint8Array ? [...value] : value),
    ]);
  const handler: MuxFrameHandler = {
    open: note("open"),
    opened: note("opened"),
    data: note("data"),
    datagram: note("datagram"),
    fin: note("fin"),
    reset: note("reset"),
    window: note("window"),
    position: note("position"),
    ack: note("ack"),
    move: note("move"),
  };
  const reader = new Reader(bytes, at, end);
  while (!reader.isAtEnd) assert(readMuxFrame(reader, handler), "an unknown frame");
  assert.equal(reader.at, end);
  return calls;
}

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true });
const number = fc.oneof(fc.nat(70), fc.nat(20_000), fc.maxSafeNat());
const port = fc.nat(65_535);
const text = (most: number) =>
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 })
    .filter((one) => one.isWellFormed() && utf8(one).length <= most);
const ip = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) =>
    new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, a, b])
  ),
).map(formatIp);
const address: fc.Arbitrary<MuxAddress> = fc.oneof(
  fc.constant(null),
  record({ host: ip, port }),
  record({ host: text(254).map((rest) => `n${rest}`), port }),
  record({ path: text(4096) }),
);
const kind = fc.constantFrom(OpenKind.connect, OpenKind.listen, OpenKind.udp, OpenKind.udpListen);
const open: fc.Arbitrary<Open> = fc.oneof(
  record({ kind, address }),
  record({ kind: fc.constant(OpenKind.accepted), listener: number, address }),
  record({ kind: fc.constant(OpenKind.service), address: fc.constant(null), service: text(255) }),
);

/** A frame, and the call that it becomes. */
const frame: fc.Arbitrary<[Uint8Array, Call]> = fc.oneof(
  fc.tuple(number, open).map(([id, one]): [Uint8Array, Call] => [
    packOpen(id, packOpenBody(one)),
    ["open", id, one],
  ]),
  fc.tuple(number, fc.nat(255), address).map(([id, code, bound]): [Uint8Array, Call] => [
    packOpened(id, code, bound),
    ["opened", id, code, bound],
  ]),
  fc.tuple(number, fc.uint8Array({ minLength: 1, maxLength: 100 })).map((
    [id, data],
  ): [Uint8Array, Call] => [
    concat(packDataHeader(id, data.length), data),
    ["data", id, [...data]],
  ]),
  fc.tuple(number, address, fc.uint8Array({ maxLength: 100 })).map((
    [id, other, data],
  ): [Uint8Array, Call] => [
    concat(packDatagramHead(id, packAddress(other), data.length), data),
    ["datagram", id, other, [...data]],
  ]),
  fc.tuple(number, number).map(([id, code]): [Uint8Array, Call] => [
    packReset(id, code),
    ["reset", id, code],
  ]),
  fc.tuple(number, number).map(([id, limit]): [Uint8Array, Call] => [
    packWindow(id, limit),
    ["window", id, limit],
  ]),
  number.map((id): [Uint8Array, Call] => [packFin(id), ["fin", id]]),
  number.map((next): [Uint8Array, Call] => [packPosition(next), ["position", next]]),
  number.map((next): [Uint8Array, Call] => [packAck(next), ["ack", next]]),
  number.map((seconds): [Uint8Array, Call] => [packMove(seconds), ["move", seconds]]),
);

Deno.test("frames come out as they went in, in order, wherever a record's text lies", () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), fc.nat(9), (frames, lead) => {
      const bytes = concat(...frames.map(([one]) => one));
      const around = concat(new Uint8Array(lead).fill(0x10), bytes, new Uint8Array(9).fill(0x10));
      const found = read(around, lead, lead + bytes.length);
      assert.deepEqual(found, frames.map(([, call]) => call));
    }),
    { numRuns: 500 },
  );
});

Deno.test("a frame that is cut short anywhere is refused, and what stood before it was read", () => {
  fc.assert(fc.property(frame, frame, ([first, call], [second]) => {
    const array = concat(first, second);
    for (let size = first.length + 1; size < array.length; size++) {
      // The whole frame lies in the array; only the record's end cuts it.
      const calls: Call[] = [];
      const reading = () => read(array, 0, size, calls);
      assert.throws(reading, ProtocolError, toHex(array.subarray(0, size)));
      assert.deepEqual(calls, [call]);
    }
  }));
});

Deno.test("other frames are left where they are, and an end of the record is none", () => {
  const handler = {} as MuxFrameHandler; // nothing may be called
  for (let type = 0; type < 256; type++) {
    assert.equal(isNumbered(type), type >= 0x10 && type <= 0x14);
    if (TYPES.includes(type)) continue;
    const reader = new Reader(new Uint8Array([type, 0, 0]));
    assert.equal(readMuxFrame(reader, handler), false);
    assert.equal(reader.at, 0);
  }
  assert.equal(readMuxFrame(new Reader(new Uint8Array([0x13, 1]), 0, 0), handler), false);
});

Deno.test("whatever follows a type, it is read or refused by a ProtocolError", () => {
  const seen = { read: 0, refused: 0 };
  const byte = fc.oneof(fc.nat(9), fc.nat(255), fc.constantFrom(0x40, 0x80, 0xc0));
  const body = fc.array(byte, { maxLength: 40 });
  const damaged = fc.tuple(frame, fc.nat(), byte).map(([[bytes], at, value]) => {
    const changed = [...bytes];
    changed[1 + at % (changed.length - 1)] = value;
    return changed;
  });
  const noise = fc.tuple(fc.constantFrom(...TYPES), body).map(([type, rest]) => [type, ...rest]);
  fc.assert(
    fc.property(fc.oneof(noise, damaged), (bytes) => {
      try {
        const reader = new Reader(Uint8Array.from(bytes));
        const nothing = (): void => {};
        readMuxFrame(reader, {
          open: nothing,
          opened: nothing,
          data: (_, data) => assert(data.length > 0),
          datagram: nothing,
          fin: nothing,
          reset: nothing,
          window: nothing,
          position: nothing,
          ack: nothing,
          move: nothing,
        });
        assert(reader.at >= 2 && reader.at <= bytes.length);
        seen.read++;
      } catch (error) {
        assert(error instanceof ProtocolError, String(error));
        seen.refused++;
      }
    }),
    { numRuns: 5000 },
  );
  assert(seen.read > 1000 && seen.refused > 1000, JSON.stringify(seen));
});

Deno.test("what no frame may say is refused", () => {
  const refused = {
    "data of no byte": "120100",
    "data of no byte, in eight": "1201c000000000000000",
    "a length above the record": "1201c01fffffffffffff61",
    "a number above 2^53-1": "13ffffffffffffffff",
    "an open of an unknown kind": "10017f00",
    "an address of an unknown kind": "10010002",
    "an address of another unknown kind": "100100ff",
    "an empty name": "100100030050",
    "an empty path": "100100050000",
    "a name that is not UTF-8": "10010003" + "02c328" + "0050",
    "a name with a lone surrogate": "10010003" + "03eda080" + "0050",
    "a path that is not UTF-8": "10010005" + "0001ff",
    "a path of 4097 bytes": "10010005" + "1001" + "61".repeat(4097),
  };
  for (const [what, hex] of Object.entries(refused)) {
    assert.throws(() => read(fromHex(hex)), ProtocolError, what);
  }
});

Deno.test("the longest names and paths pass, and longer or empty ones are not packed", () => {
  for (const one of [{ host: "n".repeat(255), port: 1 }, { path: "é".repeat(2048) }]) {
    assert.deepEqual(readAddress(new Reader(packAddress(one))), one);
  }
  const wrong = [
    { host: "n".repeat(256), port: 1 },
    { host: "é".repeat(128), port: 1 },
    { host: "", port: 1 },
    { path: "p".repeat(4097) },
    { path: "é".repeat(2049) },
    { path: "" },
  ];
  for (const one of wrong) {
    const usage = { kind: "usage", message: /^Cannot open a stream: a (name|path) has 1 to / };
    assert.throws(() => packAddress(one), usage);
    assert.throws(() => packOpened(1, 0, one), usage);
  }
});

Deno.test("a mark of byte order stays part of a name", () => {
  const one = { host: "\ufeffa.example", port: 1 };
  assert.deepEqual(readAddress(new Reader(packAddress(one))), one);
});

Deno.test("no header of data is longer than it is said to be", () => {
  assert.equal(packDataHeader(Number.MAX_SAFE_INTEGER, 2 ** 30 - 1).length, MAX_DATA_HEADER);
});
