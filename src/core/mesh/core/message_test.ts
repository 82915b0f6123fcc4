import { deepEqual, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../../base/errors.ts";
import {
  decodeCoreAnswer,
  decodeCoreRequest,
  encodeCoreAnswer,
  encodeCoreRequest,
} from "./message.ts";
import type { CoreAnswer, CoreEntry, CoreRequest } from "./request.ts";

const number = fc.nat({ max: 2 ** 50 });
const key = fc.stringMatching(/^[a-z]{1,8}\/[a-z0-9]{1,8}$/);
const condition = fc.integer({ min: -1, max: 2 ** 40 });
const value = fc.uint8Array({ maxLength: 300 });

const request: fc.Arbitrary<CoreRequest> = fc.oneof(
  fc.record({ type: fc.constant("get" as const), key }, { noNullPrototype: true }),
  fc.record({
    type: fc.constant("put" as const),
    key,
    value,
    if: condition,
    ttlMs: number,
    session: key,
    requestId: key,
  }, { requiredKeys: ["type", "key", "value"], noNullPrototype: true }),
  fc.record({ type: fc.constant("delete" as const), key, if: condition, requestId: key }, {
    requiredKeys: ["type", "key"],
    noNullPrototype: true,
  }),
  fc.record({ type: fc.constant("list" as const), prefix: key, after: key, limit: number }, {
    requiredKeys: ["type", "prefix", "limit"],
    noNullPrototype: true,
  }),
  fc.record({ type: fc.constant("changes" as const), prefix: key, from: condition }, {
    noNullPrototype: true,
  }),
  fc.record({ type: fc.constant("grant" as const), session: key, ttlMs: number }, {
    noNullPrototype: true,
  }),
  fc.record({ type: fc.constantFrom("renew" as const, "end" as const), session: key }, {
    noNullPrototype: true,
  }),
  fc.constant<CoreRequest>({ type: "info" }),
);

const entry: fc.Arbitrary<CoreEntry> = fc.record(
  { key, value, rev: number, session: key, expiresInMs: number },
  { noNullPrototype: true },
);
const maybe = fc.option(entry);

const answer = fc.oneof(
  fc.record({ type: fc.constant("entry"), entry: maybe }, { noNullPrototype: true }),
  fc.record({ type: fc.constant("written"), rev: number }, { noNullPrototype: true }),
  fc.record({ type: fc.constant("unmet"), current: maybe }, { noNullPrototype: true }),
  fc.record({
    type: fc.constant("page"),
    entries: fc.array(entry),
    more: fc.boolean(),
    cursor: number,
  }, { noNullPrototype: true }),
  fc.record({
    type: fc.constant("changes"),
    changes: fc.array(fc.record({ rev: number, key, entry: maybe }, { noNullPrototype: true })),
    cursor: number,
  }, { noNullPrototype: true }),
  fc.record({ type: fc.constant("reset"), cursor: number }, { noNullPrototype: true }),
  fc.constant({ type: "done" }),
  fc.record({
    type: fc.constant("info"),
    epoch: number,
    revision: number,
    keys: number,
    bytes: number,
    sessions: number,
  }, { noNullPrototype: true }),
  fc.record({
    type: fc.constant("error"),
    reason: fc.constantFrom("unsupported", "limit", "closed"),
    outcome: fc.constantFrom("none", "unknown"),
    message: fc.string(),
  }, { noNullPrototype: true }),
) as fc.Arbitrary<CoreAnswer>;

Deno.test("core messages: every request and answer comes out as it went in", () => {
  fc.assert(fc.property(request, number, (content, epoch) => {
    deepEqual(decodeCoreRequest(encodeCoreRequest({ epoch, content })), { epoch, content });
  }));
  fc.assert(fc.property(answer, number, (content, epoch) => {
    deepEqual(decodeCoreAnswer(encodeCoreAnswer({ epoch, content })), { epoch, content });
  }));
});

Deno.test("core messages: rubbish, and what is cut or too long, is refused as such", () => {
  const refused = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      ok(error instanceof ProtocolError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    for (const decode of [decodeCoreRequest, decodeCoreAnswer]) {
      refused(() => decode(bytes));
      refused(() => decode(Uint8Array.of(1, 0, ...bytes)));
    }
  }));
  fc.assert(fc.property(request, fc.nat(), (content, cut) => {
    const bytes = encodeCoreRequest({ epoch: 1, content });
    throws(() => decodeCoreRequest(bytes.subarray(0, cut % bytes.length)), ProtocolError);
    throws(() => decodeCoreRequest(Uint8Array.of(...bytes, 0)), ProtocolError);
  }));
  throws(
    () => decodeCoreAnswer(Uint8Array.of(1, 0, 3, 0, 0, 0xbf, 0xff, 0xff, 0xff)),
    ProtocolError,
  );
});
