import { ChunkPool } from "../../core/mux/chunk_pool.ts";
import { SharedBudget, type WindowBudget } from "../../core/mux/receive_window.ts";

/** Bytes of all windows beyond the first ones, of all sessions of this process. */
const MOST_WINDOWS = 512 << 20;

/** Bytes of frames that were not acknowledged, beyond each session's own. */
const MOST_KEPT = 512 << 20;

/** Part of them for one address: it alone makes no window of another shrink. */
const OF_ADDRESS = 1 / 2;

/** Memory that a session shares with others. */
export interface SessionMemory {
  readonly windows: WindowBudget;
  /** Of frames that the peer has not acknowledged. */
  readonly kept: WindowBudget;
  /** Memory that bulk passes through. */
  readonly pool: ChunkPool;
}

export function clientMemory(): SessionMemory {
  return {
    windows: new SharedBudget(MOST_WINDOWS),
    kept: new SharedBudget(MOST_KEPT),
    pool: new ChunkPool(),
  };
}

interface Shared extends SessionMemory {
  sessions: number;
}

/** Memory of a server's sessions, of which those of one address have a part. */
export class ServerMemory {
  readonly #all = clientMemory();
  readonly #byAddress = new Map<string, Shared>();

  /** Returns the memory of a session's address; `leave` when the session has ended. */
  enter(address: string): SessionMemory {
    let shared = this.#byAddress.get(address);
    if (shared === undefined) {
      const { windows, kept, pool } = this.#all;
      shared = {
        windows: new SharedBudget(MOST_WINDOWS * OF_ADDRESS, windows),
        kept: new SharedBudget(MOST_KEPT * OF_ADDRESS, kept),
        pool,
        sessions: 0,
      };
      this.#byAddress.set(address, shared);
    }
    shared.sessions++;
    return shared;
  }

  leave(address: string): void {
    const shared = this.#byAddress.get(address)!;
    if (--shared.sessions === 0) this.#byAddress.delete(address);
  }
}
