import type { Connection } from "../../contract/connection.ts";
import { ProxiedConnection } from "./proxied_connection.ts";

/** A connection whose first bytes were read already: they come again. */
export class HeldConnection extends ProxiedConnection {
  #held: Uint8Array;

  /** Owns both. */
  constructor(inner: Connection, held: Uint8Array) {
    super(inner, inner.remote);
    this.#held = held;
  }

  override readNow(into: Uint8Array): number | null | undefined {
    if (this.#held.length === 0) return super.readNow(into);
    const got = Math.min(into.length, this.#held.length);
    into.set(this.#held.subarray(0, got));
    this.#held = this.#held.subarray(got);
    return got;
  }
}
