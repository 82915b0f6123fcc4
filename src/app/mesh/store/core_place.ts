import { onAbort } from "../../../base/scope.ts";
import type { Clock } from "../../../contract/host.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import type { NodeKey } from "../../../core/mesh/node_id.ts";
import type { CoreWay } from "./remote_core.ts";

/** Milliseconds for an answer of a node, except to requests that wait for changes. */
const ANSWER_MS = 3_000;

export interface Place {
  readonly node: NodeKey;
  readonly epoch: number;
}

export interface CorePlaceOptions {
  /** Where the core was when this node heard of it last, or null. */
  readonly place: Place | null;
  /** Keeps it for the next start. */
  readonly save: (place: Place) => void;
  /** Nodes that may have the core, by their certificates. */
  readonly candidates: () => readonly NodeKey[];
  /** Sends a body to a node's core. @throws {MeshError} unavailable; the signal's reason */
  readonly ask: (node: NodeKey, body: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;
  readonly clock: Clock;
}

/** The way to the core, wherever it is: where it was, else at a node that may have it. */
export class CorePlace implements CoreWay {
  readonly #o: CorePlaceOptions;
  #place: Place | null;
  #lastAnswer: NodeKey | null = null;

  constructor(o: CorePlaceOptions) {
    this.#o = o;
    this.#place = o.place;
  }

  get place(): Place | null {
    return this.#place;
  }

  epoch(): number {
    return this.#place?.epoch ?? 0;
  }

  heard(epoch: number): void {
    const node = this.#lastAnswer;
    if (node === null || epoch < this.epoch()) return;
    if (this.#place?.node === node && this.#place.epoch === epoch) return;
    this.#place = { node, epoch };
    this.#o.save(this.#place);
  }

  async ask(body: Uint8Array, o: { signal: AbortSignal; waits: boolean }): Promise<Uint8Array> {
    const first = this.#place?.node;
    const others = this.#o.candidates().filter((node) => node !== first);
    let failure: unknown = new MeshError("unavailable", "No node is known that has the core");
    for (const node of first === undefined ? others : [first, ...others]) {
      try {
        const answer = await this.#askOne(node, body, o);
        this.#lastAnswer = node;
        return answer;
      } catch (error) {
        if (!(error instanceof MeshError) || error.reason !== "unavailable") throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #askOne(
    node: NodeKey,
    body: Uint8Array,
    { signal, waits }: { signal: AbortSignal; waits: boolean },
  ): Promise<Uint8Array> {
    const late = new AbortController();
    using _aborted = onAbort(signal, (reason) => late.abort(reason));
    using _timer = waits ? null : this.#o.clock.after(ANSWER_MS, () => {
      const words = "The node with the core does not answer";
      late.abort(new MeshError("unavailable", words, { outcome: "unknown" }));
    });
    return await this.#o.ask(node, body, late.signal);
  }
}
