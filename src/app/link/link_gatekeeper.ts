import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { Offer } from "../../core/link/v2/setup.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { Gatekeeper, type Visitor } from "../net/gatekeeper.ts";
import type { PendingLimits } from "../net/pending_connections.ts";
import { Stranger } from "../net/stranger.ts";
import { acceptLink } from "./accept.ts";
import type { Candidate } from "./candidate.ts";
import type { WireMode, WireSecrets } from "./config.ts";
import type { DeviceFacts } from "./v2_link.ts";

export interface LinkGatekeeperOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Logger;
  readonly device: DeviceFacts;
  /** Offer of version 2, as in `AdmissionOptions`. */
  readonly offer?: Offer | undefined;
  /** Settings for clients of version 2; absent = none. */
  readonly pushed?: PushedSettings | undefined;
  readonly signal: AbortSignal;
  readonly limits?: PendingLimits | undefined;
}

export class LinkGatekeeper {
  readonly #o: LinkGatekeeperOptions;
  /** Its known clients have sent a right hello. */
  readonly #gate: Gatekeeper;
  /** Shared by all listeners of the server. */
  readonly replay = new ReplayMemory();
  readonly #rejected: RateLimitedLog;

  constructor(o: LinkGatekeeperOptions) {
    this.#o = o;
    this.#rejected = new RateLimitedLog(o.log, () => o.clock.now());
    const { secrets: { mode, rng }, clock, limits, signal } = o;
    this.#gate = new Gatekeeper({
      clock,
      rng,
      limits,
      isPlain: mode === "v1", // a stranger cannot tell version 2 from any service
      onRejected: (why, peer) => {
        if (why instanceof Stranger || !signal.aborted) this.reject(why, peer);
      },
    });
  }

  /** Drops a connection; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#gate.evictIdle();
  }

  /**
   * Returns null if the client was rejected, which is logged then. `mode`: of the versions that its
   * port speaks; absent = those of all.
   */
  authenticate(stream: Connection, peer: string, mode?: WireMode): Promise<Candidate | null> {
    const { secrets } = this.#o;
    const spoken = mode === undefined ? secrets : { ...secrets, mode };
    return this.#gate.admit(stream, peer, this.#prove, spoken);
  }

  readonly #prove = (
    stream: Connection,
    secrets: WireSecrets,
    visitor: Visitor,
  ): Promise<Candidate> => {
    const { clock, device, offer, pushed } = this.#o;
    const onRightHello = () => visitor.recognise();
    const { replay } = this;
    return acceptLink(stream, { secrets, clock, replay, device, offer, pushed, onRightHello });
  };

  reject(thrown: unknown, peer: string): void {
    const error = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#rejected.warn("handshake rejected", { peer, why: error.message });
    if (error instanceof TtunError && error.kind === "internal") {
      this.#o.log.error(error.message, { peer });
    }
  }

  /** Hides when a damaged record was noticed. Never throws. */
  fallSilent(stream: Connection): Promise<void> {
    return this.#gate.fallSilent(stream);
  }
}
