import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { MeshStore, Version } from "../../contract/mesh_store.ts";
import type { ClusterKeys } from "../../core/mesh/admission/rotation.ts";
import {
  openUnderKey,
  SALT_SIZE,
  saltOf,
  sealUnderKey,
} from "../../core/mesh/admission/sealed_authority.ts";
import { rng } from "../platform/rng.ts";
import { passphraseKey } from "./passphrase.ts";

/** Their key in the store. */
export const KEPT_KEYS = "conf/authority";

/** The authority's keys in an etcd cluster, sealed under a passphrase that is on no disk of ttun's. */
export class KeptKeys {
  readonly #store: MeshStore;
  readonly #passphrase: string;
  /** The key of a salt, which takes long to work out. */
  #last: { readonly salt: string; readonly key: Uint8Array } | null = null;

  constructor(store: MeshStore, passphrase: string) {
    this.#store = store;
    this.#passphrase = passphrase;
  }

  /** @throws {TtunError} auth, for another passphrase; MeshError */
  async read(
    signal: AbortSignal,
  ): Promise<{ readonly keys: ClusterKeys; readonly version: Version } | null> {
    const entry = await this.#store.get(KEPT_KEYS, { signal });
    if (entry === null) return null;
    const key = await this.#keyOf(saltOf(entry.value));
    return { keys: openUnderKey(entry.value, key), version: entry.version };
  }

  /**
   * Replaces what has that version, or nothing, and reads it again.
   * @throws {TtunError} busy, if another node was faster; MeshError
   */
  async write(keys: ClusterKeys, over: Version | "absent", signal: AbortSignal): Promise<void> {
    const salt = rng(SALT_SIZE);
    const key = await this.#keyOf(salt);
    const sealed = sealUnderKey(keys, { key, salt, rng });
    const { ok } = await this.#store.put(KEPT_KEYS, sealed, { signal, if: over });
    const there = await this.read(signal);
    if (ok && there?.keys.generation === keys.generation) return;
    throw new TtunError("busy", "Another node changes the authority's keys: try again");
  }

  async #keyOf(salt: Uint8Array): Promise<Uint8Array> {
    if (this.#last?.salt === toHex(salt)) return this.#last.key;
    const key = await passphraseKey(this.#passphrase, salt);
    this.#last = { salt: toHex(salt), key };
    return key;
  }
}
