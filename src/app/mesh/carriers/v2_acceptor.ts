import type { Connection } from "../../../contract/connection.ts";
import type { Logger } from "../../../base/log.ts";
import { toTtunError } from "../../../base/errors.ts";
import { OF_PEERS, RateLimitedLog } from "../../../base/rate_limited_log.ts";
import { ReplayMemory } from "../../../core/link/v2/replay_filter.ts";
import { acceptCarrier } from "../../link/accept_carrier.ts";
import type { WireSecrets } from "../../link/config.ts";
import { streamOffer } from "../../mux/limits.ts";
import { Gatekeeper } from "../../net/gatekeeper.ts";
import { Stranger } from "../../net/stranger.ts";
import { V2Carrier, type V2CarrierOptions } from "./v2_carrier.ts";

export interface V2AcceptorOptions extends Omit<V2CarrierOptions, "secrets"> {
  /** Of all secrets that are accepted. */
  readonly secrets: () => WireSecrets;
  readonly log: Logger;
}

/** Lets in nodes that prove the cluster's secret; strangers hear nothing. */
export class V2Acceptor {
  readonly #o: V2AcceptorOptions;
  readonly #gatekeeper: Gatekeeper;
  readonly #replay = new ReplayMemory();
  readonly #said: RateLimitedLog;

  constructor(o: V2AcceptorOptions) {
    this.#o = o;
    const { clock, log, signal } = o;
    this.#said = new RateLimitedLog(log, () => clock.now(), OF_PEERS);
    this.#gatekeeper = new Gatekeeper({
      clock,
      rng: o.secrets().rng,
      onRejected: (why, peer) => {
        if (why instanceof Stranger || !signal.aborted) this.#reject(why, peer);
      },
    });
  }

  /** Drops a connection when descriptors run out; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#gatekeeper.evictIdle();
  }

  /** Returns null for a connection that came to nothing. Owns it. Never rejects. */
  async accept(stream: Connection): Promise<V2Carrier | null> {
    const { clock, signal } = this.#o;
    const secrets = this.#o.secrets();
    await using owned = new AsyncDisposableStack();
    owned.use(stream);
    try {
      const proved = await this.#gatekeeper.admit(stream, stream.peer, (stream, _, visitor) => {
        const onRightHello = () => visitor.recognise();
        const o = { secrets, clock, replay: this.#replay, onRightHello };
        return acceptCarrier(stream, o, streamOffer());
      }, undefined);
      if (proved === null) return null;
      using _handshake = proved.handshake;
      owned.move();
      return await V2Carrier.answer(stream, proved, { ...this.#o, secrets });
    } catch (error) {
      if (!signal.aborted) this.#reject(error, stream.peer);
      return null;
    }
  }

  #reject(thrown: unknown, peer: string): void {
    const { message } = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#said.warn("handshake rejected", { peer, why: message });
  }
}
