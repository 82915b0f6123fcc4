import assert from "node:assert/strict";
import {
  errorFromPlain,
  EXIT_CODES,
  plainError,
  ProtocolError,
  toTtunError,
  TtunError,
} from "./errors.ts";

/** Scripts rely on these: a code keeps its meaning. A new kind is added with its release. */
const PUBLISHED: Readonly<Record<string, number>> = {
  internal: 1,
  usage: 2,
  auth: 3,
  unreachable: 4,
  name: 5,
  timeout: 6,
  privilege: 7,
  in_use: 8,
  lost: 9,
  busy: 10,
  protocol: 11,
  system: 12,
  exhausted: 13,
  hook: 14,
  clock: 15,
};

Deno.test("each kind of error keeps the exit code that was published for it", () => {
  const codes = new Map(Object.entries(EXIT_CODES).map(([kind, { code }]) => [kind, code]));
  for (const [kind, code] of Object.entries(PUBLISHED)) assert.equal(codes.get(kind), code, kind);
});

Deno.test("no two kinds share an exit code, and none is one of the shell's own", () => {
  const codes = Object.values(EXIT_CODES).map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length);
  assert.ok(codes.every((code) => code > 0 && code < 126));
});

Deno.test("an error tells kind, exit code, message and cause", () => {
  const cause = new Error("deeper");
  const error = new TtunError("auth", "Cannot authenticate", { cause });
  assert.deepEqual([error.name, error.kind, error.exitCode], ["TtunError", "auth", 3]);
  assert.equal(error.cause, cause);
  assert.equal(String(error), "TtunError: Cannot authenticate");
  assert.equal(new ProtocolError("x").kind, "protocol");
});

Deno.test("toTtunError() leaves the family alone and makes strangers internal", () => {
  const known = new ProtocolError("known");
  assert.equal(toTtunError(known), known);
  const stranger = new TypeError("x is undefined");
  const wrapped = toTtunError(stranger);
  assert.equal(wrapped.kind, "internal");
  assert.equal(wrapped.message, "Unexpected failure: TypeError: x is undefined");
  assert.equal(wrapped.cause, stranger);
  assert.equal(toTtunError("text").message, "Unexpected failure: text");
  assert.equal(toTtunError(undefined).kind, "internal");
});

Deno.test("an error crosses threads with kind and message; a bug with its stack as well", () => {
  const expected = plainError(new TtunError("lost", "Lost it"));
  assert.deepEqual(expected, { kind: "lost", message: "Lost it" });
  const back = errorFromPlain(structuredClone(expected));
  assert.deepEqual([back.kind, back.exitCode, back.message], ["lost", 9, "Lost it"]);
  const bug = new TypeError("x is undefined");
  const revived = errorFromPlain(structuredClone(plainError(bug)));
  assert.equal(revived.kind, "internal");
  assert.equal(revived.stack, bug.stack);
});
