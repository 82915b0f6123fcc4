/** Connected clients, for the messages that refuse others. */
export class Occupants {
  readonly #clients: number;
  readonly #wallClock: () => number;
  readonly #present = new Map<object, { sinceMs: number; identity: string | undefined }>();

  /** `wallClock` returns milliseconds since 1970. */
  constructor(clients: number, wallClock: () => number) {
    this.#clients = clients;
    this.#wallClock = wallClock;
  }

  /** `by` identifies the session until `leave`. */
  enter(by: object, identity: string | undefined): void {
    this.#present.set(by, { sinceMs: this.#wallClock(), identity });
  }

  leave(by: object): void {
    this.#present.delete(by);
  }

  has(identity: string | undefined): boolean {
    return this.#find(identity) !== undefined;
  }

  /** Leaves out the others' addresses, as anyone with the key can ask. */
  refusal(identity: string | undefined): string {
    const same = this.#find(identity);
    if (same !== undefined) {
      return `this client is connected already since ${this.#time(same.sinceMs)}, by another ` +
        "program with its identity; end that one, or start this one with --name NAME";
    }
    if (this.#clients > 1) return `all ${this.#clients} places are taken (--clients at the server)`;
    const [other] = this.#present.values();
    const since = other === undefined ? "" : ` since ${this.#time(other.sinceMs)}`;
    return `another client is connected${since} (the server serves one; --clients N)`;
  }

  #find(identity: string | undefined) {
    if (identity === undefined) return undefined;
    return this.#present.values().find((one) => one.identity === identity);
  }

  /** Such as "23:35 UTC"; with the date if it is 20 hours or more ago. */
  #time(ms: number): string {
    const text = new Date(ms).toISOString();
    const isLately = this.#wallClock() - ms < 20 * 3600 * 1000;
    return `${isLately ? "" : `${text.slice(0, 10)} `}${text.slice(11, 16)} UTC`;
  }
}
