import assert from "node:assert/strict";
import { TtunError } from "../../../base/errors.ts";
import { type ClusterKeys, nextStep, requireAll, rotated, rotationPhase } from "./rotation.ts";

const bytes = (byte: number) => new Uint8Array(32).fill(byte);

const KEYS: ClusterKeys = {
  generation: 1,
  authorities: [bytes(1)],
  secrets: [bytes(2)],
  authoritySeed: bytes(3),
  nextSeed: null,
};
const FRESH = { seed: bytes(13), publicKey: bytes(11), secret: bytes(12) };

Deno.test("old and new are valid together from the first step to the last", () => {
  const added = rotated(KEYS, "add", FRESH);
  assert.deepEqual([added.authorities, added.secrets], [[bytes(1), bytes(11)], [
    bytes(2),
    bytes(12),
  ]]);
  assert.deepEqual(added.authoritySeed, KEYS.authoritySeed);
  const used = rotated(added, "use", FRESH);
  assert.deepEqual([used.authorities, used.secrets], [[bytes(11), bytes(1)], [
    bytes(12),
    bytes(2),
  ]]);
  assert.deepEqual([used.authoritySeed, used.nextSeed], [bytes(13), null]);
  const removed = rotated(used, "remove", FRESH);
  assert.deepEqual([removed.authorities, removed.secrets], [[bytes(11)], [bytes(12)]]);
  assert.equal(removed.generation, 4);
  assert.deepEqual([KEYS, added, used, removed].map(rotationPhase), [
    "settled",
    "added",
    "used",
    "settled",
  ]);
});

Deno.test("steps are taken in their order alone", () => {
  const added = rotated(KEYS, "add", FRESH);
  assert.equal(nextStep(added), "use");
  for (
    const [keys, step] of [[KEYS, "use"], [KEYS, "remove"], [added, "add"], [
      added,
      "remove",
    ]] as const
  ) {
    assert.throws(() => rotated(keys, step, FRESH), TtunError);
  }
});

Deno.test("a step waits for all members to have the last one", () => {
  requireAll(1, 3, "add");
  requireAll(3, 3, "use");
  assert.throws(() => requireAll(2, 3, "use"), /1 of 3 nodes/);
});
