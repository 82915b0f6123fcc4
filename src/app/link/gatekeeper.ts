import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { discard } from "../net/discard.ts";
import { fallSilent } from "../net/fall_silent.ts";
import { HalfOpen, type PendingLimits } from "../net/half_open.ts";
import { HANDSHAKE_DEADLINE, Stranger, strangerDeadline } from "../net/stranger.ts";
import { acceptLink, type Candidate } from "./accept.ts";
import type { WireSecrets } from "./config.ts";
import type { DeviceFacts } from "./v2_link.ts";

export interface GatekeeperOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Logger;
  readonly device: DeviceFacts;
  readonly limits?: PendingLimits;
}

/** Holds accepted connections until they prove the key; strangers learn nothing. */
export class Gatekeeper {
  readonly #o: GatekeeperOptions;
  readonly #strangers: HalfOpen;
  /** Connections with a right hello, which strangers cannot push out. */
  readonly #known: HalfOpen;
  readonly #replay = new ReplayMemory();
  readonly #rejected: RateLimitedLog;

  constructor(o: GatekeeperOptions) {
    this.#o = o;
    this.#strangers = new HalfOpen(o.limits);
    this.#known = new HalfOpen(o.limits);
    this.#rejected = new RateLimitedLog(o.log, () => o.clock.now());
  }

  /** Drops a connection when descriptors run out; returns false if there is none to drop. */
  evictIdle(): boolean {
    return this.#strangers.dropOldest() || this.#known.dropOldest();
  }

  /**
   * Returns the client that has proved the key; null if it was a stranger, which is gone then.
   * @throws what ended the connection, or why it was dropped
   */
  async authenticate(stream: Connection, peer: string): Promise<Candidate | null> {
    const { clock, secrets, device } = this.#o;
    const showsNothing = secrets.mode !== "v1"; // a stranger cannot tell version 2 from any service
    const deadline = showsNothing ? strangerDeadline(secrets.rng) : HANDSHAKE_DEADLINE;
    let dropped: TtunError | null = null;
    const pushOut = () => {
      dropped ??= pushedOut();
      stream.reset(); // frees everything at once, here and in the kernel
    };
    using pools = new DisposableStack();
    const stranger = pools.use(this.#strangers.add(stream.remote, pushOut));
    using _deadline = clock.after(deadline, () => {
      dropped ??= tooSlow();
      // An ordinary end does not tell a stranger from a slow client.
      if (showsNothing) startClose(stream);
      else stream.reset();
    });
    try {
      return await acceptLink(stream, {
        secrets,
        clock,
        replay: this.#replay,
        device,
        onRightHello: () => {
          stranger[Symbol.dispose]();
          pools.use(this.#known.add(stream.remote, pushOut));
        },
      });
    } catch (error) {
      if (isAuth(error)) throw error; // it says more than that this was late
      if (dropped !== null || !(error instanceof Stranger)) throw dropped ?? error;
      this.reject(error, peer);
    }
    await discard(stream, clock).catch(() => {}); // ended by the deadline or a reset: no difference
    return null;
  }

  /** Logs why a connection was rejected. */
  reject(thrown: unknown, peer: string): void {
    const error = thrown instanceof Stranger ? thrown : toTtunError(thrown);
    this.#rejected.warn("handshake rejected", { peer, why: error.message });
    if (error instanceof TtunError && error.kind === "internal") {
      this.#o.log.error(error.message, { peer });
    }
  }

  /** Hides from whoever damaged a record when that was noticed. Never throws. */
  async fallSilent(stream: Connection): Promise<void> {
    const { clock, secrets: { rng } } = this.#o;
    using _pending = this.#strangers.add(stream.remote, () => stream.reset());
    await fallSilent(stream, { clock, rng });
  }
}

function isAuth(error: unknown): boolean {
  return error instanceof TtunError && error.kind === "auth";
}

function pushedOut(): TtunError {
  return new TtunError("exhausted", "Dropped: too many connections wait for their handshake");
}

function tooSlow(): TtunError {
  return new TtunError("timeout", "Dropped: the handshake took too long");
}
