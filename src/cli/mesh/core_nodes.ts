import type { CoreCandidate } from "../../app/mesh/store/core_announcer.ts";
import type { NodeKey } from "../../core/mesh/node_id.ts";

/** Other nodes, as far as the core needs them. */
export interface CoreNodes {
  /** Nodes that say that they may have the core. */
  candidates(): readonly NodeKey[];
  /** Those of them that are there. */
  alive(): readonly CoreCandidate[];
  /** True for a linked node whose certificate lets it have the core. */
  mayHaveCore(node: NodeKey): boolean;
  /** Returns true for a node whose certificate lets it take visitors. */
  mayHaveGateway(node: NodeKey): boolean;
  /** Nodes that may keep a backup, best first. */
  keepers(): readonly NodeKey[];
  /** @throws {MeshError} unavailable; the signal's reason */
  ask(node: NodeKey, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}
