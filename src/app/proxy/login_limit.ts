/** Wrong passwords of one address that cost it nothing: somebody mistypes. */
const FREE = 3;
/** Milliseconds that each one after these takes, whatever number of connections it comes over. */
const PENALTY = 1_000;
/** Most connections of one address that wait; more are closed. */
const MOST_WAITING = 32;
/** Most addresses that are remembered; beyond that the one whose last failure is oldest is forgotten. */
const MOST_ADDRESSES = 4096;

interface Record {
  /** When all that it owes is paid, in milliseconds of the clock. */
  paidAt: number;
  waiting: number;
}

/**
 * Slows down who guesses the password of a proxy: by address (an IPv4 address, an IPv6 /64), so that
 * many connections guess no faster than one. While an address owes time its connections are looked
 * at one after the other, the right password's among them, since who hangs up early would else learn
 * by the haste of the answer. A connection tells one wrong password at the most and ends by it.
 */
export class LoginLimit {
  readonly #now: () => number;
  readonly #records = new Map<string, Record>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many milliseconds a new connection of this address waits: call `begin` after that. null: no place. */
  wait(address: string): number | null {
    const record = this.#records.get(address);
    if (record === undefined) return 0;
    const owed = record.paidAt - this.#now() - FREE * PENALTY;
    if (owed <= 0 && record.waiting === 0) return 0;
    if (record.waiting >= MOST_WAITING) return null;
    return Math.max(0, owed) + PENALTY * ++record.waiting;
  }

  /** True while an address owes time: a password from a connection that has not waited is not looked at. */
  owes(address: string): boolean {
    const record = this.#records.get(address);
    return record !== undefined && record.paidAt - this.#now() > FREE * PENALTY;
  }

  /** One that has waited (`wait` gave more than 0) is served, or has gone. */
  begin(address: string): void {
    const record = this.#records.get(address);
    if (record !== undefined && record.waiting > 0) record.waiting--;
  }

  failed(address: string): void {
    const now = this.#now();
    const record = this.#records.get(address) ?? { paidAt: now, waiting: 0 };
    record.paidAt = Math.max(record.paidAt, now) + PENALTY;
    this.#records.delete(address); // to the end of the order
    this.#records.set(address, record);
    if (this.#records.size > MOST_ADDRESSES) this.#forget(now);
  }

  #forget(now: number): void {
    for (const [address, { paidAt, waiting }] of this.#records) {
      if (this.#records.size <= MOST_ADDRESSES && paidAt > now) return;
      if (waiting === 0) this.#records.delete(address);
    }
  }
}
