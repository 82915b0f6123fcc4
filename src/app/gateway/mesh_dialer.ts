import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { tell } from "../net/dial_events.ts";

/** Milliseconds for one gateway, its TLS handshake included, where there are others. */
const ONE_MS = 5_000;

/** Milliseconds after which a connection is taken to have led to the service. */
const GOOD_MS = 10_000;

export interface MeshDialerOptions {
  /** Places of gateways, one or more. */
  readonly at: readonly HostPort[];
  /** Connects with one of them. `turn`: another number = another one of its addresses first. */
  readonly dial: (
    at: HostPort,
    signal: AbortSignal,
    o: { readonly life: AbortSignal; readonly timeoutMs: number; readonly turn: number },
  ) => Promise<Connection>;
  readonly clock: Clock;
}

/**
 * Connects with a service of a mesh by one of its gateways: by the one before, unless its connection
 * ended soon, as one does that finds no way to the service.
 */
export class MeshDialer implements Dialer<void> {
  readonly #o: MeshDialerOptions;
  /** Counts gateways that are not to be the first any more. */
  #turn = 0;
  #connectedAt = -Infinity;

  constructor(o: MeshDialerOptions) {
    this.#o = o;
  }

  start(_: void, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(o));
  }

  async #dial({ signal: life, cancel = life, timeoutMs = Infinity }: DialOptions) {
    const { at, dial, clock } = this.#o;
    if (clock.now() - this.#connectedAt < GOOD_MS) this.#turn++;
    const until = clock.now() + timeoutMs;
    let why: unknown = null;
    for (let i = 0; i < at.length; i++) {
      const turn = this.#turn;
      const left = until - clock.now();
      if (left <= 0) break;
      try {
        const ms = i + 1 < at.length ? Math.min(ONE_MS, left) : left;
        const place = at[turn % at.length]!;
        const stream = await dial(place, cancel, { life, timeoutMs: ms, turn });
        this.#connectedAt = clock.now();
        return stream;
      } catch (error) {
        cancel.throwIfAborted();
        life.throwIfAborted();
        why ??= error;
        this.#turn++;
      }
    }
    throw why ?? new TtunError("timeout", "Cannot reach a gateway of the mesh in time");
  }
}
