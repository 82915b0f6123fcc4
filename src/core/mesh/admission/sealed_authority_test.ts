import assert from "node:assert/strict";
import { seededRng } from "../../../../tests/fake/rng.ts";
import { utf8 } from "../../../base/bytes.ts";
import { TtunError } from "../../../base/errors.ts";
import { ed25519Signer } from "../../../io/crypto/ed25519.ts";
import { nodeKeyExchange, sharedSecret } from "../../../io/crypto/x25519.ts";
import type { ClusterKeys } from "./rotation.ts";
import { openKeys, openUnderKey, saltOf, sealKeysFor, sealUnderKey } from "./sealed_authority.ts";

const rng = seededRng(1);
const bytes = (byte: number) => new Uint8Array(32).fill(byte);
const KEYS: ClusterKeys = {
  generation: 3,
  authorities: [bytes(1), bytes(2)],
  secrets: [bytes(3), bytes(4)],
  authoritySeed: bytes(5),
  nextSeed: bytes(6),
};

function nodeOf(byte: number) {
  return { seed: bytes(byte), publicKey: ed25519Signer(bytes(byte)).publicKey };
}

function refused(run: () => unknown): void {
  assert.throws(run, (error) => error instanceof TtunError && error.kind !== "internal");
}

/** Each byte changed and each length cut is refused. */
function assertWhole(sealed: Uint8Array, open: (sealed: Uint8Array) => unknown): void {
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    refused(() => open(changed));
    refused(() => open(sealed.subarray(0, at)));
  }
}

Deno.test("the authority's keys open for the node alone that they are sealed for, whole", () => {
  const node = nodeOf(7);
  const sealed = sealKeysFor(KEYS, node.publicKey, { exchange: nodeKeyExchange, rng });
  assert.deepEqual(openKeys(sealed, node, sharedSecret), KEYS);
  assert.throws(() => openKeys(sealed, nodeOf(8), sharedSecret), /another node's/);
  assertWhole(sealed, (changed) => openKeys(changed, node, sharedSecret));
  assert(!new TextDecoder().decode(sealed).includes("authorities"));
});

Deno.test("under a passphrase they open with its key alone, and the salt is told", () => {
  const salt = new Uint8Array(16).fill(9);
  const settled = { ...KEYS, nextSeed: null };
  const sealed = sealUnderKey(settled, { key: bytes(1), salt, rng });
  assert.deepEqual(saltOf(sealed), salt);
  assert.deepEqual(openUnderKey(sealed, bytes(1)), settled);
  assert.throws(() => openUnderKey(sealed, bytes(2)), /another passphrase/);
  assertWhole(sealed, (changed) => openUnderKey(changed, bytes(1)));
  refused(() => saltOf(utf8("hello")));
});
