import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { TtunError } from "../../base/errors.ts";
import { HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import type { AgentFacts } from "../../core/mesh/admission/agent_certificate.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";

/** A gateway's link to an agent that has proved who it is. */
export class AgentLink {
  readonly #carrier: V2Carrier;
  /** Changes when the agent's certificate is renewed; the agent stays the same. */
  facts: AgentFacts;

  constructor(carrier: V2Carrier, facts: AgentFacts) {
    this.#carrier = carrier;
    this.facts = facts;
  }

  get peer(): string {
    return this.#carrier.peer;
  }

  /** Milliseconds; NaN before it is known. */
  get rttMs(): number {
    return this.#carrier.rttMs;
  }

  /** It should have answered by now: another link is better. */
  get isSuspect(): boolean {
    return this.#carrier.isSuspect;
  }

  /** Opens a stream for one request to a name of the agent's. @throws {TtunError} lost */
  open(name: string, refused: (error: TtunError) => void): MuxStream {
    return this.#carrier.openNow(HTTP_SERVICE + name, { opened: () => {}, refused });
  }

  /** Opens a stream to another service of the agent's. @throws {TtunError} lost */
  readonly openService = (
    service: string,
    events: Parameters<V2Carrier["openNow"]>[1],
  ): MuxStream => this.#carrier.openNow(service, events);

  close(): void {
    this.#carrier[Symbol.dispose]();
  }
}
