import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../src/base/errors.ts";
import type { Field } from "../../src/core/http/fields.ts";
import { HpackDecoder } from "../../src/core/http/hpack/decoder.ts";
import { HpackEncoder } from "../../src/core/http/hpack/encoder.ts";

const pairs = (fields: readonly Field[]) => fields.map(({ name, value }) => [name, value]);
const LIMITS = { bytes: 65_536, fields: 256 };
const name = fc.oneof(
  fc.constantFrom("accept", "cookie", ":status", "x-a", "x-b", "date", "content-length"),
  fc.stringMatching(/^[a-z-]{1,20}$/),
);
const value = fc.oneof(
  fc.constantFrom("", "200", "gzip, deflate", "x"),
  fc.string({ unit: "binary-ascii", maxLength: 300 }),
);
const lists = fc.array(fc.array(fc.record({ name, value }), { maxLength: 12 }), { maxLength: 12 });

Deno.test("header lists come back from a decoder, whatever the table's sizes meanwhile", () => {
  fc.assert(
    fc.property(
      lists,
      fc.array(fc.integer({ min: 0, max: 4096 }), { maxLength: 12 }),
      (all, limits) => {
        const encoder = new HpackEncoder();
        const decoder = new HpackDecoder(4096);
        all.forEach((list, i) => {
          if (limits[i] !== undefined) encoder.setLimit(limits[i]);
          const { fields } = decoder.decode(encoder.encode(list), LIMITS);
          assert.deepEqual(pairs(fields), pairs(list));
          assert.equal(decoder.table.size, encoder.table.size);
        });
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a decoder of garbage gives fields or a protocol error, and holds no more than its table", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (blocks) => {
      const decoder = new HpackDecoder(4096);
      for (const block of blocks) {
        try {
          decoder.decode(block, LIMITS);
        } catch (error) {
          assert.ok(error instanceof ProtocolError);
        }
        assert.ok(decoder.table.size <= 4096);
      }
    }),
    { numRuns: 1000 },
  );
});
