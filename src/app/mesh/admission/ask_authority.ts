import type { Clock } from "../../../contract/host.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";
import { deadlineSignal } from "../../loop/deadline_signal.ts";

/** Milliseconds for the answer of a node, which asks the core itself. */
const ANSWER_MS = 5_000;

/** Nodes that are asked for one request. */
const MOST_ASKED = 4;

export interface AuthorityWay {
  /** Other nodes that may have the authority's key, the likeliest first. */
  readonly candidates: () => readonly NodeKey[];
  /** True for a linked node whose certificate lets it have the key. */
  readonly mayHave: (node: NodeKey) => boolean;
  /** @throws {MeshError} unavailable; the signal's reason */
  readonly ask: (node: NodeKey, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  readonly clock: Clock;
}

/**
 * Passes a request on to the node with the authority's key, and returns its answer.
 * @throws {MeshError} unavailable; the signal's reason
 */
export async function askAuthority(
  body: Uint8Array,
  { candidates, mayHave, ask, clock }: AuthorityWay,
  signal: AbortSignal,
): Promise<Uint8Array> {
  let failure = new MeshError("unavailable", "No node is known that has the authority's key");
  for (const node of candidates().slice(0, MOST_ASKED)) {
    const late = () => new MeshError("unavailable", "The node with the authority's key is silent");
    using patience = deadlineSignal(signal, { clock, ms: ANSWER_MS, late });
    try {
      const answer = await ask(node, body, patience.signal);
      // The cluster's secrets and authorities are in the answer.
      if (mayHave(node)) return answer;
      failure = new MeshError("unavailable", "A node answered that may not have the key");
    } catch (error) {
      if (!(error instanceof MeshError) || error.reason !== "unavailable") throw error;
      failure = error;
    }
  }
  throw failure;
}
