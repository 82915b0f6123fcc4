import assert from "node:assert/strict";
import fc from "fast-check";
import { concat } from "../../src/base/bytes.ts";
import { responseOf } from "../../src/core/http/steps_fixture.ts";
import { PREFACE } from "../../src/core/http/http2/constants.ts";
import { frame, GET, Http2Talk } from "../../src/core/http/http2/http2_fixture.ts";
import { packSettings } from "../../src/core/http/http2/frames.ts";

const anyFrame = fc.record({
  type: fc.integer({ min: 0, max: 11 }),
  flags: fc.constantFrom(0, 1, 4, 5, 8, 12, 0x20, 0x25, 0xff),
  stream: fc.constantFrom(0, 1, 1, 2, 3, 5, 7),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(
      Uint8Array.of(0, 0, 0, 1),
      Uint8Array.of(0x82, 0x84, 0x87, 0x41, 1, 0x61),
      new Uint8Array(8),
    ),
  ),
}).map(({ type, flags, stream, payload }) => frame(type, flags, stream, payload));

const settings = packSettings([]);

Deno.test("an HTTP/2 machine survives any frames, says nothing behind its end, and forgets what is over", () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 4 }),
      (frames, cuts) => {
        const run = (sizes: readonly number[]) => {
          const talk = new Http2Talk();
          const bytes = concat(
            PREFACE,
            settings,
            talk.request(1, { ...GET, ":method": "PUT" }, false),
            ...frames,
          );
          const ends = [...new Set([...sizes.map((size) => size % bytes.length), bytes.length])]
            .sort((a, b) => a - b);
          let from = 0;
          const lines = ends.flatMap((end) => {
            const part = bytes.subarray(from, end);
            from = end;
            return talk.feed(part);
          });
          const close = lines.findIndex((line) => line.startsWith("close"));
          assert.ok(close < 0 || close === lines.length - 1, lines.join("\n"));
          // A request that is reset is told of, or not, as the bytes were cut.
          const idOf = (line: string) =>
            /^(?:request|data|end|room|reset) ([0-9]+)/.exec(line)?.[1];
          const gone = new Set(lines.filter((line) => line.startsWith("reset")).map(idOf));
          const kept = lines.filter((line) => !(idOf(line) !== undefined && gone.has(idOf(line))));
          const data = /^data ([0-9]+): /;
          const text = kept.filter((line) => data.test(line)).map((line) => line.replace(data, ""))
            .join("");
          const rest = [...talk.respond(1, responseOf(200)), ...talk.give(1, "x"), ...talk.end(1)];
          return { lines: kept.filter((line) => !data.test(line)), text, rest };
        };
        assert.deepEqual(run(cuts), run([]));
      },
    ),
    { numRuns: 500 },
  );
});
