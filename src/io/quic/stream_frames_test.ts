import { deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../base/bytes.ts";
import { dataFrame, FRAME, FrameReader, HEADER, PREFACE } from "./stream_frames.ts";

function framed(data: Uint8Array): Uint8Array {
  const frame = dataFrame(data.length);
  frame.set(data, HEADER);
  return frame;
}

/** Events in order, data joined between them. */
function collect(pieces: readonly Uint8Array[]): (string | number[])[] {
  const found: (string | number[])[] = [];
  const reader = new FrameReader();
  for (const piece of pieces) {
    reader.feed(piece, {
      data: (bytes) => {
        const last = found.at(-1);
        if (Array.isArray(last)) last.push(...bytes);
        else found.push([...bytes]);
      },
      end: () => found.push("end"),
      gotEnd: () => found.push("gotEnd"),
      deaf: () => found.push("deaf"),
    });
  }
  return found;
}

Deno.test("known bytes", () => {
  deepEqual([...framed(Uint8Array.of(7, 8))], [0, 0, 2, 7, 8]);
  deepEqual([...framed(new Uint8Array(258)).subarray(0, 3)], [0, 1, 2]);
});

Deno.test("frames are read alike however they are cut", () => {
  const wire = concat(
    Uint8Array.of(PREFACE),
    framed(Uint8Array.of(1, 2, 3)),
    framed(Uint8Array.of(4)),
    Uint8Array.of(FRAME.gotEnd),
    framed(Uint8Array.of(5)),
    Uint8Array.of(FRAME.end, FRAME.deaf),
  );
  const expected = [[1, 2, 3, 4], "gotEnd", [5], "end", "deaf"];
  for (let cut = 0; cut <= wire.length; cut++) {
    deepEqual(collect([wire.subarray(0, cut), wire.subarray(cut)]), expected);
  }
  deepEqual(collect([...wire].map((byte) => Uint8Array.of(byte))), expected);
});

Deno.test("what is no frame is refused", () => {
  for (const bytes of [[2], [1, 4], [1, 0, 0, 0], [1, 1, 1], [1, 1, 0]]) {
    throws(() => collect([Uint8Array.from(bytes)]), RangeError);
  }
});

Deno.test("no bytes make the reader fail otherwise, or give more data than they have", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      const data = collect([Uint8Array.of(PREFACE), bytes]).filter(Array.isArray).flat();
      return data.length <= bytes.length;
    } catch (error) {
      return error instanceof RangeError;
    }
  }));
});
