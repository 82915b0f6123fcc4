import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { discard } from "./discard.ts";
import { fallSilent } from "./fall_silent.ts";
import { PendingConnections, type PendingLimits } from "./pending_connections.ts";
import { HANDSHAKE_DEADLINE, Stranger, strangerDeadline } from "./stranger.ts";

export interface GatekeeperOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly limits?: PendingLimits | undefined;
  /** Resets late connections at a fixed time, from which a stranger may learn something. */
  readonly isPlain?: boolean;
  /** Takes note of strangers, whose connections end at once: there is nothing to hide. */
  readonly onStranger?: ((stream: Connection) => void) | undefined;
  /** Called with the `Stranger`, or with the failure that ended the handshake. */
  readonly onRejected: (why: unknown, peer: string) => void;
}

/** `at` is what the caller passed to `admit`. */
type Prove<At, T> = (stream: Connection, at: At, visitor: Visitor) => Promise<T>;

/** Admits connections that prove the key in time; drops others to make room. */
export class Gatekeeper {
  readonly strangers: PendingConnections;
  /** Connections with a right hello; strangers displace none of them. */
  readonly known: PendingConnections;
  readonly o: GatekeeperOptions;

  constructor(o: GatekeeperOptions) {
    this.o = o;
    this.strangers = new PendingConnections(o.limits);
    this.known = new PendingConnections(o.limits);
  }

  get size(): number {
    return this.strangers.size + this.known.size;
  }

  /** Drops a connection when descriptors run out; returns false if there is none. */
  evictIdle(): boolean {
    return this.strangers.dropOldest() || this.known.dropOldest();
  }

  /**
   * Returns null after a rejection, when the connection is ready to be closed. A stranger's bytes
   * are discarded until it ends or its time is up. The stream remains the caller's.
   */
  async admit<At, T>(
    stream: Connection,
    peer: string,
    prove: Prove<At, T>,
    at: At,
  ): Promise<T | null> {
    using visitor = new Visitor(this, stream);
    try {
      return await prove(stream, at, visitor);
    } catch (error) {
      const why = visitor.reasonFor(error);
      this.o.onRejected(why, peer);
      if (!(why instanceof Stranger)) return null;
      if (this.o.onStranger !== undefined) {
        this.o.onStranger(stream);
        return null;
      }
    }
    // Ended by the deadline or a reset, which makes no difference.
    await discard(stream, this.o.clock).catch(() => {});
    return null;
  }

  /** Handles a damaged record of a client, whose connection counts as a stranger again. */
  async fallSilent(stream: Connection): Promise<void> {
    using _place = this.strangers.add(stream.remote, () => stream.reset());
    await fallSilent(stream, this.o);
  }
}

export class Visitor implements Disposable {
  readonly #gate: Gatekeeper;
  readonly #stream: Connection;
  readonly #deadline: Disposable;
  #place: Disposable;
  #dropped: TtunError | null = null;

  constructor(gate: Gatekeeper, stream: Connection) {
    const { clock, isPlain, rng } = gate.o;
    this.#gate = gate;
    this.#stream = stream;
    this.#place = gate.strangers.add(stream.remote, this.#makeRoom);
    const ms = isPlain === true ? HANDSHAKE_DEADLINE : strangerDeadline(rng);
    this.#deadline = clock.after(ms, this.#endLate);
  }

  /** Its first bytes are right: strangers no longer displace it. */
  recognise(): void {
    this.#place[Symbol.dispose]();
    this.#place = this.#gate.known.add(this.#stream.remote, this.#makeRoom);
  }

  /** Returns the cause of an error: a drop, unless the error says that the key is wrong. */
  reasonFor(error: unknown): unknown {
    if (error instanceof TtunError && error.kind === "auth") return error;
    return this.#dropped ?? error;
  }

  readonly #makeRoom = (): void => {
    this.#dropped ??= new TtunError(
      "exhausted",
      "Dropped: too many connections wait for their handshake",
    );
    this.#stream.reset(); // frees everything at once, here and in the kernel
  };

  readonly #endLate = (): void => {
    this.#dropped ??= new TtunError("timeout", "Dropped: the handshake took too long");
    // An ordinary end does not reveal whether it was a stranger's or only a slow client's.
    if (this.#gate.o.isPlain === true) this.#stream.reset();
    else startClose(this.#stream);
  };

  [Symbol.dispose](): void {
    this.#deadline[Symbol.dispose]();
    this.#place[Symbol.dispose]();
  }
}
