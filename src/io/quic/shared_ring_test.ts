import { equal } from "node:assert/strict";
import fc from "fast-check";
import { SharedRing } from "./shared_ring.ts";

Deno.test("bytes come out as they went in, however they are cut", () => {
  const size = 37;
  fc.assert(fc.property(fc.array(fc.nat({ max: size }), { maxLength: 40 }), (steps) => {
    const writer = new SharedRing(new SharedArrayBuffer(size));
    const reader = new SharedRing(writer.memory);
    let [written, read] = [0, 0];
    for (const [i, step] of steps.entries()) {
      if (i % 2 === 0) {
        const bytes = Uint8Array.from(
          { length: Math.min(step, size - (written - read)) },
          (_, at) => written + at,
        );
        writer.write(bytes);
        written += bytes.length;
      } else {
        const into = new Uint8Array(Math.min(step, written - read));
        reader.read(into);
        for (const byte of into) equal(byte, read++ & 0xff);
      }
    }
  }));
});
