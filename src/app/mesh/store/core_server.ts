import { ProtocolError } from "../../../base/errors.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { decodeCoreRequest, encodeCoreAnswer } from "../../../core/mesh/core/message.ts";
import type { CoreAnswer, CoreRequest } from "../../../core/mesh/core/request.ts";
import type { CoreDriver } from "./core_driver.ts";

export interface CoreServerOptions {
  readonly epoch: number;
  /** Returns why the node may not ask this, or null. */
  readonly refusal: (node: string, request: CoreRequest) => string | null;
  /** A node knows of a newer epoch. Returns true if it is believed, so that this core ends. */
  readonly onNewer: (node: string, epoch: number) => boolean;
}

/** Answers other nodes for the core of this one. */
export class CoreServer {
  readonly #core: CoreDriver;
  readonly #options: CoreServerOptions;

  constructor(core: CoreDriver, options: CoreServerOptions) {
    this.#core = core;
    this.#options = options;
  }

  get epoch(): number {
    return this.#options.epoch;
  }

  /**
   * Answers the body of a request of `node`. A request that knows of a newer epoch ends this core, if
   * the node is believed: it has moved or been restored elsewhere.
   * @throws the signal's reason
   */
  async answer(node: string, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return encodeCoreAnswer({
      epoch: this.#options.epoch,
      content: await this.#answer(node, body, signal),
    });
  }

  async #answer(node: string, body: Uint8Array, signal: AbortSignal): Promise<CoreAnswer> {
    try {
      const { epoch, content } = decodeCoreRequest(body);
      if (epoch > this.#options.epoch && this.#options.onNewer(node, epoch)) {
        this.#core.end(
          new MeshError("unavailable", `The core has moved: there is one of epoch ${epoch}`),
        );
      }
      const refusal = this.#options.refusal(node, content);
      if (refusal !== null) throw new MeshError("denied", refusal);
      return await this.#core.call(content, { signal });
    } catch (error) {
      if (error instanceof ProtocolError) {
        return { type: "error", reason: "unsupported", outcome: "none", message: error.message };
      }
      if (!(error instanceof MeshError)) throw error;
      const { reason, outcome, message } = error;
      return { type: "error", reason, outcome, message };
    }
  }
}
