import { sleep } from "../../app/loop/sleep.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import { openKeys, sealKeysFor } from "../../core/mesh/admission/sealed_authority.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";
import { nodeKeyExchange, sharedSecret } from "../../io/crypto/x25519.ts";
import { rng } from "../platform/rng.ts";
import type { HeldNode } from "./held_node.ts";
import type { KeptKeys } from "./kept_keys.ts";
import type { MeshTools } from "./mesh_tools.ts";

/** Milliseconds until etcd is asked again for the authority's keys. */
const KEPT_RETRY_MS = 2_000;

/** Returns never, but for a failure: etcd may not be reached at once. @throws {TtunError} auth */
export async function openKept(
  held: HeldNode,
  kept: KeptKeys,
  { log, signal, platform: { clock } }: MeshTools,
): Promise<void> {
  for (let isFirst = true;; isFirst = false) {
    try {
      await held.keepKeysIn(kept, signal);
      if (held.authority === null) log.warn("There is no authority's key in etcd yet");
      else log.info("The authority's key is sealed in etcd");
      return await abortable(new Promise<never>(() => {}), signal);
    } catch (error) {
      signal.throwIfAborted();
      const isLater = error instanceof TtunError &&
        (error instanceof MeshError || error.kind === "busy");
      if (!isLater) throw error;
      if (isFirst) log.warn("The authority's key is not opened yet", { why: error.message });
    }
    await sleep(clock, KEPT_RETRY_MS, signal);
  }
}

/** The authority's keys, which are where the core is. */
export interface AuthorityKeys {
  readonly areHere: boolean;
  /** Returns them sealed for a node; null = they are not here. @throws {TtunError} unreachable */
  sealedFor(node: NodeKey): Uint8Array | null;
  /** Keeps those that were sealed for this node. @throws {TtunError} */
  take(sealed: Uint8Array): void;
  /** Removes them for good: another node has them. @throws {TtunError} */
  giveUp(): void;
}

/** `publicKeyOf`: of a node that is known. */
export function keysOf(
  held: HeldNode,
  publicKeyOf: (node: NodeKey) => Uint8Array | null,
): AuthorityKeys {
  const { seed } = held.state;
  const self = { seed, publicKey: held.signer.publicKey };
  return {
    get areHere() {
      return held.keys !== null;
    },
    sealedFor(node) {
      const [keys, publicKey] = [held.keys, publicKeyOf(node)];
      if (keys === null) return null;
      if (publicKey === null) throw new TtunError("unreachable", "The node is not known any more");
      return sealKeysFor(keys, publicKey, { exchange: nodeKeyExchange, rng });
    },
    take(sealed) {
      const keys = openKeys(sealed, self, sharedSecret);
      // A node that was off for long hands on what has been replaced meanwhile.
      if (held.keys !== null && held.keys.generation > keys.generation) return;
      held.takeKeys(keys);
    },
    giveUp: () => held.giveUpKeys(),
  };
}
