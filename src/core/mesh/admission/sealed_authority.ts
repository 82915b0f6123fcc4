import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { decodeBase64Url, encodeBase64Url } from "../../../base/base64url.ts";
import { concat, utf8 } from "../../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import type { KeyExchange } from "../../link/v2/secrets.ts";
import { isSealed, openSealed, sealFor, type SharedSecret } from "../core/sealed_box.ts";
import { bytesField, listField, numberField, readFields } from "./json.ts";
import type { ClusterKeys } from "./rotation.ts";

/** Begins keys that go to the core's next node, sealed for that node's key. */
const FOR_NODE = utf8("ttun authority 1\n");

/** Begins keys that an etcd cluster keeps, sealed under a passphrase: salt and nonce follow. */
const UNDER_PASSPHRASE = utf8("ttun authority passphrase 1\n");
export const SALT_SIZE = 16;
const NONCE = 24;

const WHAT = "the authority's keys";

/** `node`: its Ed25519 public key. */
export function sealKeysFor(
  keys: ClusterKeys,
  node: Uint8Array,
  o: { exchange: KeyExchange; rng: Rng },
): Uint8Array {
  return sealFor(encodeKeys(keys), node, { ...o, magic: FOR_NODE });
}

/** @throws {TtunError} auth, for another node's, and for what is damaged; ProtocolError */
export function openKeys(
  sealed: Uint8Array,
  node: { readonly seed: Uint8Array; readonly publicKey: Uint8Array },
  shared: SharedSecret,
): ClusterKeys {
  if (!isSealed(sealed, FOR_NODE)) throw new ProtocolError(`Cannot read ${WHAT}: they are none`);
  return decodeKeys(opened(() => openSealed(sealed, FOR_NODE, node, shared), "another node's"));
}

/** `key`: 32 bytes, worked out from the passphrase and the salt. */
export function sealUnderKey(
  keys: ClusterKeys,
  o: { readonly key: Uint8Array; readonly salt: Uint8Array; readonly rng: Rng },
): Uint8Array {
  const head = concat(UNDER_PASSPHRASE, o.salt);
  const nonce = o.rng(NONCE);
  return concat(head, nonce, xchacha20poly1305(o.key, nonce, head).encrypt(encodeKeys(keys)));
}

/** Returns the salt with which the key is worked out. @throws {ProtocolError} */
export function saltOf(sealed: Uint8Array): Uint8Array {
  const at = UNDER_PASSPHRASE.length;
  if (sealed.length <= at + SALT_SIZE + NONCE || UNDER_PASSPHRASE.some((b, i) => sealed[i] !== b)) {
    throw new ProtocolError(`Cannot read ${WHAT}: they are not as ttun seals them`);
  }
  return sealed.slice(at, at + SALT_SIZE);
}

/** @throws {TtunError} auth, for another key; ProtocolError */
export function openUnderKey(sealed: Uint8Array, key: Uint8Array): ClusterKeys {
  const head = sealed.subarray(0, UNDER_PASSPHRASE.length + saltOf(sealed).length);
  const nonce = sealed.subarray(head.length, head.length + NONCE);
  const box = sealed.subarray(head.length + NONCE);
  const open = () => xchacha20poly1305(key, nonce, head).decrypt(box);
  return decodeKeys(opened(open, "under another passphrase"));
}

function opened(open: () => Uint8Array, other: string): Uint8Array {
  try {
    return open();
  } catch (cause) {
    throw new TtunError("auth", `Cannot open ${WHAT}: they are ${other}, or damaged`, { cause });
  }
}

function encodeKeys(keys: ClusterKeys): Uint8Array {
  const all = (list: readonly Uint8Array[]) => list.map(encodeBase64Url);
  return utf8(JSON.stringify({
    generation: keys.generation,
    authorities: all(keys.authorities),
    secrets: all(keys.secrets),
    seed: encodeBase64Url(keys.authoritySeed),
    next: keys.nextSeed === null ? "" : encodeBase64Url(keys.nextSeed),
  }));
}

/** @throws {ProtocolError} */
function decodeKeys(bytes: Uint8Array): ClusterKeys {
  const fields = readFields(bytes, WHAT);
  const next = bytesField(fields, "next", WHAT);
  if (next.length !== 0 && next.length !== 32) throw new ProtocolError(`Cannot read ${WHAT}`);
  const keys = (name: string) => {
    const found = listField(fields, name, WHAT, keyOf, 2);
    if (found.length === 0) throw new ProtocolError(`Cannot read ${WHAT}: there are no ${name}`);
    return found;
  };
  return {
    generation: numberField(fields, "generation", WHAT),
    authorities: keys("authorities"),
    secrets: keys("secrets"),
    authoritySeed: bytesField(fields, "seed", WHAT, 32),
    nextSeed: next.length === 0 ? null : next,
  };
}

function keyOf(item: unknown): Uint8Array | null {
  const bytes = typeof item === "string" ? decodeBase64Url(item) : null;
  return bytes?.length === 32 ? bytes : null;
}
