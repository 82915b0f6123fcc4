import assert from "node:assert/strict";
import { MuxEnd, tell } from "../../../tests/fake/mux_end.ts";
import { MAX_DATA_HEADER, packOpened } from "./frames.ts";
import { LEAST_ROOM } from "./mux.ts";
import { MAX_DATA, QUANTUM } from "./mux_stream.ts";

const out = new Uint8Array(LEAST_ROOM);

function fill(end: MuxEnd, most: number): string[] {
  return tell(out.subarray(0, end.mux.fill(end.carrier, out, 0, out.length, most)));
}

Deno.test("fill: data ends where it may, and a small stream's goes in the next record", () => {
  const end = new MuxEnd("client");
  const [bulk, small] = [end.open(), end.open()];
  end.sent();
  end.give(packOpened(1, 0, null), packOpened(3, 0, null));
  end.sent();
  bulk.writeNow(new Uint8Array(5 * QUANTUM));

  assert.deepEqual(fill(end, 1000).slice(0, 1), [`data 1 ${1000 - MAX_DATA_HEADER}`]);
  small.writeNow(new Uint8Array([0x68, 0x69]));
  const words = fill(end, 2 * QUANTUM);
  assert(words.includes("data 3 hi"), words.join(", "));
  const bytes = words.map((word) => Number(/^data 1 (\d+)/.exec(word)?.[1] ?? 0));
  assert(bytes.reduce((sum, one) => sum + one) <= 2 * QUANTUM);
});

Deno.test("fill: opens go where data may not", () => {
  const end = new MuxEnd("client");
  const stream = end.open();
  stream.writeNow(new Uint8Array(100));
  assert.deepEqual(fill(end, 0), ["open 1"]);
  assert.deepEqual(fill(end, Infinity), ["data 1 100"]);
});

Deno.test("fill: what lies together is not cut for the little room behind other data", () => {
  const end = new MuxEnd("client");
  const stream = end.open();
  end.sent();
  end.give(packOpened(1, 0, null));
  for (let i = 0; i < 2; i++) stream.writeNow(new Uint8Array(MAX_DATA));
  assert.deepEqual(fill(end, Infinity), [`data 1 ${MAX_DATA}`, "ack 1"]);
  const rest = 64 * 1024 - MAX_DATA; // of the peer's first window
  assert.deepEqual(fill(end, Infinity), [`data 1 ${rest}`]);
});

Deno.test("fill: little data goes behind other data, in the same record", () => {
  const end = new MuxEnd("client");
  const streams = [end.open(), end.open()];
  end.sent();
  end.give(packOpened(1, 0, null), packOpened(3, 0, null));
  for (const stream of streams) stream.writeNow(new Uint8Array(100));
  assert.deepEqual(fill(end, Infinity), ["data 1 100", "data 3 100", "ack 2"]);
});
