import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../../base/errors.ts";
import {
  decodeParcelAnswer,
  decodeParcelRequest,
  encodeParcelAnswer,
  encodeParcelRequest,
  PARCEL_KINDS,
  type ParcelRequest,
} from "./parcel.ts";

const sized = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const plain = { noNullPrototype: true } as const;
const request: fc.Arbitrary<ParcelRequest> = fc.oneof(
  fc.record({
    type: fc.constant("chunk" as const),
    id: sized(16),
    kind: fc.constantFrom(...PARCEL_KINDS),
    offset: fc.nat(),
    bytes: fc.uint8Array(),
  }, plain),
  fc.record({ type: fc.constant("finish" as const), id: sized(16), digest: sized(32) }, plain),
  fc.record({ type: fc.constant("activate" as const), epoch: fc.nat() }, plain),
);

Deno.test("parcels: every request and answer comes out as it went in", () => {
  fc.assert(fc.property(request, (one) => {
    deepEqual(decodeParcelRequest(encodeParcelRequest(one)), one);
  }));
  for (const refusal of [null, "", "no", "x".repeat(512)]) {
    equal(decodeParcelAnswer(encodeParcelAnswer(refusal)), refusal);
  }
  equal(decodeParcelAnswer(encodeParcelAnswer("x".repeat(9999)))?.length, 512);
});

Deno.test("parcels: rubbish is refused as such", () => {
  for (const decode of [decodeParcelRequest, decodeParcelAnswer]) {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isMarked) => {
      try {
        decode(isMarked ? Uint8Array.of(2, ...bytes) : bytes);
      } catch (error) {
        ok(error instanceof ProtocolError, String(error));
      }
    }));
  }
});
