import type { Clock } from "../../../contract/host.ts";
import { ProtocolError } from "../../../base/errors.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { decodeCoreAnswer, encodeCoreRequest } from "../../../core/mesh/core/message.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";
import { deadlineSignal } from "../../loop/deadline_signal.ts";
import { sleep } from "../../loop/sleep.ts";

/** Milliseconds between two looks at who is there, and for an answer. */
const LOOK_MS = 2_000;

/** Times that a process is told at once; afterwards it is told again after AGAIN_MS. */
const MOST_TRIES = 3;
const AGAIN_MS = 300_000;

/** A node that may have the core, and is there. */
export interface CoreCandidate {
  readonly node: NodeKey;
  /** Of its process. */
  readonly incarnation: number;
}

export interface AnnouncerOptions {
  /** Epoch of the core that is here; null = it is at another node. */
  readonly epoch: () => number | null;
  readonly candidates: () => readonly CoreCandidate[];
  /** @throws {MeshError} unavailable; the signal's reason */
  readonly ask: (node: NodeKey, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  /** A node that has a core too has answered, of this epoch. */
  readonly onCore: (node: NodeKey, epoch: number) => Promise<void>;
  readonly clock: Clock;
}

interface Told {
  readonly incarnation: number;
  tries: number;
  at: number;
}

/**
 * Tells nodes that may have the core that it is here, by a request under its epoch, until the signal
 * aborts: one that comes back with an older core ends that one by it.
 */
export async function announceCore(o: AnnouncerOptions, signal: AbortSignal): Promise<never> {
  const told = new Map<NodeKey, Told>();
  let last = 0;
  for (;; await sleep(o.clock, LOOK_MS, signal)) {
    const epoch = o.epoch() ?? 0;
    if (epoch !== last) told.clear();
    last = epoch;
    if (epoch < 2) continue; // before the first one there was none
    for (const { node, incarnation } of o.candidates()) {
      let known = told.get(node);
      if (known?.incarnation !== incarnation) {
        told.set(node, known = { incarnation, tries: 0, at: 0 });
      }
      const now = o.clock.now();
      if (known.tries >= MOST_TRIES && now < known.at + AGAIN_MS) continue;
      known.tries++;
      known.at = now;
      await tell(node, epoch, o, signal);
    }
  }
}

/** A node without a core refuses: it needs not be told. */
async function tell(
  node: NodeKey,
  epoch: number,
  { ask, onCore, clock }: AnnouncerOptions,
  signal: AbortSignal,
): Promise<void> {
  const late = () => new MeshError("unavailable", "The node does not answer");
  using patience = deadlineSignal(signal, { clock, ms: LOOK_MS, late });
  try {
    const content = { type: "info" } as const;
    const body = await ask(node, encodeCoreRequest({ epoch, content }), patience.signal);
    const answer = decodeCoreAnswer(body);
    // One that has ended, maybe by this very request, answers by an error.
    if (answer.content.type === "info") await onCore(node, answer.epoch);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof MeshError || error instanceof ProtocolError)) throw error;
  }
}
