/** Wrong passwords of an address without a penalty: people mistype. */
const FREE = 3;
/** Milliseconds of delay for each further wrong password. */
const PENALTY = 1_000;
/** Waiting connections of one address; more are closed. */
const MOST_WAITING = 32;
/** Most addresses that are remembered; then the one with the oldest last failure is forgotten. */
const MOST_ADDRESSES = 4096;

interface Record {
  /** Milliseconds of the clock; the address owes nothing from then on. */
  paidAt: number;
  waiting: number;
}

/**
 * Slows down guessing by address (IPv4, or an IPv6 /64): many connections guess no faster than one.
 * While it owes time, its connections are served one by one, with right passwords too: a fast
 * answer would tell that one is right. A wrong password ends its connection.
 */
export class LoginLimit {
  readonly #now: () => number;
  readonly #records = new Map<string, Record>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds that a new connection must wait before `begin`; null = it is refused. */
  wait(address: string): number | null {
    const record = this.#records.get(address);
    if (record === undefined) return 0;
    const owed = record.paidAt - this.#now() - FREE * PENALTY;
    if (owed <= 0 && record.waiting === 0) return 0;
    if (record.waiting >= MOST_WAITING) return null;
    return Math.max(0, owed) + PENALTY * ++record.waiting;
  }

  /** True: passwords of connections that did not wait are refused. */
  owes(address: string): boolean {
    const record = this.#records.get(address);
    return record !== undefined && record.paidAt - this.#now() > FREE * PENALTY;
  }

  /** Ends the wait of a connection for which `wait` returned more than 0. */
  begin(address: string): void {
    const record = this.#records.get(address);
    if (record !== undefined && record.waiting > 0) record.waiting--;
  }

  failed(address: string): void {
    const now = this.#now();
    const record = this.#records.get(address) ?? { paidAt: now, waiting: 0 };
    record.paidAt = Math.max(record.paidAt, now) + PENALTY;
    this.#records.delete(address); // moves it to the end
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
