import { toHex } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import type { Clock, Rng } from "../../../contract/host.ts";
import { MeshError } from "../../../contract/mesh_store.ts";
import { decodeCoreAnswer, encodeCoreRequest } from "../../../core/mesh/core/message.ts";
import type { CoreAnswer, CoreRequest } from "../../../core/mesh/core/request.ts";
import { isWrite, problemOf } from "../../../core/mesh/core/write_problem.ts";
import { sleep } from "../../loop/sleep.ts";
import type { CoreClient } from "./core_client.ts";

/** Tries of one request, milliseconds between them, and those after which none begins. */
const TRIES = 3;
const RETRY_MS = 200;
const LAST_TRY_MS = 4_000;

export interface CoreWay {
  /** The newest epoch of the core that this node knows. */
  epoch(): number;
  /** Tells that an answer came from a core of this epoch. */
  heard(epoch: number): void;
  /**
   * Sends a body to the core's node and resolves with that of the answer. `waits`: the core answers
   * only when there are changes, or after a while.
   * @throws {MeshError} `unavailable`: there is no link to it, or it broke; the signal's reason
   */
  ask(body: Uint8Array, o: { signal: AbortSignal; waits: boolean }): Promise<Uint8Array>;
}

/** The core at another node. Requests whose answers are lost are repeated, and have one effect. */
export class RemoteCore implements CoreClient {
  readonly #way: CoreWay;
  readonly #clock: Clock;
  /** Begins the ids of this process's requests, which nobody else has. */
  readonly #prefix: string;
  #sequence = 0;

  constructor(way: CoreWay, o: { clock: Clock; rng: Rng }) {
    this.#way = way;
    this.#clock = o.clock;
    this.#prefix = toHex(o.rng(12));
  }

  async call(request: CoreRequest, { signal }: { signal: AbortSignal }): Promise<CoreAnswer> {
    const problem = isWrite(request) ? problemOf(request) : null;
    if (problem !== null) return problem; // a value that is too large fits in no message
    const content = this.#withId(request);
    const lastTry = this.#clock.now() + LAST_TRY_MS;
    for (let tries = 1;; tries++) {
      try {
        return await this.#try(content, signal);
      } catch (error) {
        if (!(error instanceof MeshError) || error.reason !== "unavailable") throw error;
        if (tries === TRIES || this.#clock.now() > lastTry) throw error;
      }
      await sleep(this.#clock, tries * RETRY_MS, signal);
    }
  }

  async #try(content: CoreRequest, signal: AbortSignal): Promise<CoreAnswer> {
    const epoch = this.#way.epoch();
    const body = await this.#way.ask(encodeCoreRequest({ epoch, content }), {
      signal,
      waits: content.type === "changes",
    });
    try {
      const answer = decodeCoreAnswer(body);
      if (answer.epoch < epoch) {
        throw new MeshError("unavailable", "The node that answered is not the core any more");
      }
      this.#way.heard(answer.epoch);
      const { content: said } = answer;
      // A core that is moving refuses writes for a moment.
      if (said.type !== "error" || said.reason !== "unavailable") return said;
      throw new MeshError(said.reason, said.message, { outcome: said.outcome });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      throw new MeshError("unavailable", error.message, { outcome: "unknown", cause: error });
    }
  }

  #withId(request: CoreRequest): CoreRequest {
    if (request.type !== "put" && request.type !== "delete") return request;
    if (request.requestId !== undefined) return request;
    return { ...request, requestId: `${this.#prefix}.${++this.#sequence}` };
  }
}
