import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { Clock } from "../../contract/host.ts";
import { TtunError } from "../../base/errors.ts";
import { kindOfService } from "../../core/gateway/service_kinds.ts";
import { DRAIN_SERVICE } from "../../core/gateway/agent_messages.ts";
import type { AgentFacts } from "../../core/mesh/admission/agent_certificate.ts";
import type { V2Carrier } from "../mesh/carriers/v2_carrier.ts";

/** Milliseconds for which a link that did not take a stream at once is tried after others. */
const DEMOTED_MS = 5_000;

/** Milliseconds that stand for a round trip until one was measured. */
const UNKNOWN_RTT = 100;

/** A gateway's link to an agent that has proved who it is. */
export class AgentLink {
  readonly #carrier: V2Carrier;
  readonly #clock: Clock;
  #demotedUntil = -Infinity;
  /** Changes when the agent's certificate is renewed; the agent stays the same. */
  facts: AgentFacts;

  constructor(carrier: V2Carrier, facts: AgentFacts, clock: Clock) {
    this.#carrier = carrier;
    this.facts = facts;
    this.#clock = clock;
  }

  get peer(): string {
    return this.#carrier.peer;
  }

  /** Milliseconds; NaN before it is known. */
  get rttMs(): number {
    return this.#carrier.rttMs;
  }

  /** Cost of one more request there: the time of a round trip for each that is under way. */
  get cost(): number {
    const { rttMs, streams } = this.#carrier;
    return (streams + 1) * Math.max(1, Number.isNaN(rttMs) ? UNKNOWN_RTT : rttMs);
  }

  /** It should have answered by now, or did not take a stream at once: another link is better. */
  get isSuspect(): boolean {
    return this.#carrier.isSuspect || this.#clock.now() < this.#demotedUntil;
  }

  /** Returns true if an exchange that waits for an answer is better off elsewhere. */
  isSilent(): boolean {
    return this.#carrier.isSilent();
  }

  /** Others come first for a while. */
  demote(): void {
    this.#demotedUntil = this.#clock.now() + DEMOTED_MS;
  }

  /** Has the agent go to another gateway, while its exchanges here go on. */
  drain(): void {
    try {
      const over = () => stream.reset();
      const stream = this.#carrier.openNow(DRAIN_SERVICE, { opened: over, refused: () => {} });
    } catch {
      // It ends, or is at its limit: it hears of the end then.
    }
  }

  /**
   * Opens a stream to another service of the agent's. @throws {TtunError} lost; auth, if the agent may
   * not publish services of that kind
   */
  readonly openService = (
    service: string,
    events: Parameters<V2Carrier["openNow"]>[1],
  ): MuxStream => {
    const kind = kindOfService(service);
    if (kind === null || !this.facts.kinds.includes(kind)) {
      throw new TtunError(
        "auth",
        `Cannot reach the service: its agent may not publish any of ${kind}`,
      );
    }
    return this.#carrier.openNow(service, {
      ...events,
      opened: () => {
        this.#demotedUntil = -Infinity;
        events.opened();
      },
    });
  };

  close(): void {
    this.#carrier[Symbol.dispose]();
  }
}
