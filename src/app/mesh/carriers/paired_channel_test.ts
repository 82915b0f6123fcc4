import assert from "node:assert/strict";
import { memoryPair } from "../../../../tests/fake/memory.ts";
import { concat } from "../../../base/bytes.ts";
import { varint } from "../../../base/varint.ts";
import type { Connection } from "../../../contract/connection.ts";
import { PairedChannel } from "./paired_channel.ts";

const FRAME = concat(varint(60_000), new Uint8Array(60_000));
const LONG = concat(varint(500_000), new Uint8Array(500_000));

/** Bytes that the other end's stream takes by itself. */
const CAPACITY = 64 * 1024;

/** Writes until nothing more is taken; returns how many bytes were. */
async function flood(stream: Connection, frame: Uint8Array): Promise<number> {
  let all = 0;
  for (let at = 0, isIdle = false;;) {
    const taken = stream.writeNow(frame.subarray(at));
    all += taken;
    at = (at + taken) % frame.length;
    if (taken === 0 && isIdle) return all;
    isIdle = taken === 0;
    if (isIdle) await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

function open() {
  const [here, control] = memoryPair({ capacity: CAPACITY });
  const [bulk, otherBulk] = memoryPair({ capacity: CAPACITY });
  const o = { transport: "quic", peer: "a stranger" } as const;
  const channel = new PairedChannel(here, o, () => assert.fail("nothing long is sent"));
  channel.addBulk(bulk);
  return { channel, control, otherBulk };
}

Deno.test("of an end that has not been asked for a second frame, little more than one is held", async () => {
  const { channel, control, otherBulk } = open();
  using _channel = channel;
  const [short, long] = [await flood(control, FRAME), await flood(otherBulk, LONG)];
  assert(short <= 3 * FRAME.length + CAPACITY, `${short} bytes`);
  assert(long <= CAPACITY, `${long} bytes`);
  assert.equal((await channel.read())!.length, FRAME.length);
  const again = await flood(control, FRAME);
  assert(again <= 2 * FRAME.length, `${again} bytes`);
  assert.equal(await flood(otherBulk, LONG), 0);
});

Deno.test("once a second frame is asked for both streams are read, up to a limit", async () => {
  const { channel, control, otherBulk } = open();
  using _channel = channel;
  await flood(control, FRAME);
  await channel.read();
  await channel.read();
  assert(await flood(otherBulk, LONG) > 2 * LONG.length);
  const before = await flood(otherBulk, LONG);
  assert.equal(before, 0);
  let longest = 0;
  while (longest < LONG.length) longest = Math.max(longest, (await channel.read())!.length);
});
