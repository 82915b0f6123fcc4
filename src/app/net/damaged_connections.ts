import type { Connection } from "../../contract/connection.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { fallSilent } from "./fall_silent.ts";

/** Damaged connections that are kept open at a time; the oldest is cut for another. */
const MOST_SILENT = 4;

/** Keeps damaged connections open in silence, so that nobody learns when this was noticed. */
export class DamagedConnections {
  readonly #o: { readonly clock: Clock; readonly rng: Rng };
  /** The connections that are kept in silence, the oldest first. */
  readonly #silent = new Set<Connection>();

  constructor(o: { readonly clock: Clock; readonly rng: Rng }) {
    this.#o = o;
  }

  /** Owns the connection until its end. Never throws. */
  async keep(stream: Connection): Promise<void> {
    await using owned = stream;
    for (const oldest of this.#silent) {
      if (this.#silent.size < MOST_SILENT) break;
      this.#silent.delete(oldest);
      oldest.reset();
    }
    this.#silent.add(owned);
    await fallSilent(owned, this.#o);
    this.#silent.delete(owned);
  }
}
