import { equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type { Connection } from "../../src/contract/connection.ts";
import { connect, type StreamCase } from "./stream_net.ts";
import { read, write } from "../../src/app/loop/stream_io.ts";

/** Bytes of which no two neighbourhoods are alike, so that a shift or a repeat is seen. */
const PATTERN = (() => {
  const words = new Uint32Array(1 << 20);
  let state = 0x9e37_79b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
})();

/** Sizes of writes or reads in turn; the last keeps a long transfer from being a slow one. */
const cuts = () =>
  fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1000, max: 300_000 })), {
    maxLength: 5,
  }).map((some) => [...some, 70_000]);

async function send(to: Connection, data: Uint8Array, sizes: number[]): Promise<void> {
  for (let at = 0, turn = 0; at < data.length; turn++) {
    const part = data.subarray(at, at + sizes[turn % sizes.length]!);
    await write(to, part);
    at += part.length;
  }
  await to.closeWrite();
}

async function receive(from: Connection, expected: Uint8Array, sizes: number[]): Promise<void> {
  const into = new Uint8Array(300_000);
  let at = 0;
  for (let turn = 0;; turn++) {
    const got = await read(from, into.subarray(0, sizes[turn % sizes.length]!));
    if (got === null) break;
    const same = Buffer.compare(into.subarray(0, got), expected.subarray(at, at + got)) === 0;
    equal(same, true, `bytes ${at} to ${at + got} are others than were sent`);
    at += got;
  }
  equal(at, expected.length);
}

/** Large transfers, cut anywhere. */
export const transferCases: readonly StreamCase[] = [
  {
    name: "any amount of bytes, written and read in pieces, arrives whole in both directions",
    async run(net) {
      const size = () => fc.nat({ max: Math.min(net.traits.most, PATTERN.length) });
      const transfer = fc.asyncProperty(
        fc.record({ up: size(), down: size(), writes: cuts(), reads: cuts() }),
        async ({ up, down, writes, reads }) => {
          await using pair = await connect(net);
          const [there, back] = [PATTERN.subarray(0, up), PATTERN.subarray(PATTERN.length - down)];
          await Promise.all([
            send(pair.here, there, writes),
            receive(pair.there, there, reads),
            send(pair.there, back, reads),
            receive(pair.here, back, writes),
          ]);
        },
      );
      await fc.assert(transfer, { numRuns: 12 });
    },
  },
];
