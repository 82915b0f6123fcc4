import { minuteOf } from "../../core/hop/minute.ts";
import { minutesToTry } from "../../core/tt/keys.ts";
import type { MinuteCandidate } from "../../core/tt/first_frame.ts";
import type { NonceMemory } from "../../core/tt/nonce_filter.ts";
import type { PortRange } from "../../base/port_range.ts";
import { portOf } from "../../core/hop/port_range.ts";
import type { MinuteKeyCache, MinuteKeysLease } from "./minute_keys.ts";

/** A key that the server accepts, with what it keeps of that key's use. */
export interface Account {
  /** The key's name for the log; "" if there is only one account. */
  readonly name: string;
  readonly secrets: MinuteKeyCache;
  readonly nonces: NonceMemory;
  /** Aborts when the key is taken back. */
  readonly revoked: AbortSignal;
}

export interface KeyCandidate extends MinuteCandidate {
  readonly account: Account;
  readonly borrowed: MinuteKeysLease;
}

/** Keys for first frames, shared by all connections of a minute and a port. */
export class KeyCandidates implements Disposable {
  #accounts: readonly Account[];
  readonly #range: PortRange;
  #candidates: MinuteCandidates | null = null;

  /** The accounts stay the caller's. */
  constructor(o: { accounts: readonly Account[]; range: PortRange }) {
    this.#accounts = o.accounts;
    this.#range = o.range;
  }

  /** Whoever reads a first frame already goes on with the accounts that there were. */
  replace(accounts: readonly Account[]): void {
    this[Symbol.dispose]();
    this.#accounts = accounts;
  }

  /** The caller releases the result. */
  take(unixMs: number): MinuteCandidates {
    const minute = minuteOf(unixMs);
    if (this.#candidates?.minute !== minute) {
      this.#candidates?.release();
      this.#candidates = new MinuteCandidates(minute, this.#accounts, this.#range);
    }
    return this.#candidates.use();
  }

  [Symbol.dispose](): void {
    this.#candidates?.release();
    this.#candidates = null;
  }
}

/** Keys for first frames that come by one port. */
export interface PortCandidates {
  /** One whose port it is, if any: a client takes port and key of the same minute. */
  readonly first: readonly KeyCandidate[];
  /** All others, those whose port it is before those whose it is not. */
  readonly others: readonly KeyCandidate[];
}

/** The candidates of one minute; the last user gives their keys back. */
class MinuteCandidates {
  readonly minute: number;
  readonly #range: PortRange;
  readonly #all: readonly KeyCandidate[];
  readonly #byPort = new Map<number, PortCandidates>();
  #users = 1;

  constructor(now: number, accounts: readonly Account[], range: PortRange) {
    this.minute = now;
    this.#range = range;
    this.#all = minutesToTry(now).flatMap((minute) =>
      accounts.map((account) => {
        const borrowed = account.secrets.borrow(minute);
        return { account, borrowed, minute, secrets: borrowed.secrets };
      })
    );
  }

  of(port: number): PortCandidates {
    const known = this.#byPort.get(port);
    if (known !== undefined) return known;
    const fits = ({ borrowed }: KeyCandidate) => portOf(borrowed.keys.otp, this.#range) === port;
    const fitting = this.#all.filter(fits);
    const rest = this.#all.filter((one) => !fits(one));
    const found = { first: fitting.slice(0, 1), others: [...fitting.slice(1), ...rest] };
    this.#byPort.set(port, found); // few: only ports that are listened on
    return found;
  }

  use(): MinuteCandidates {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users > 0) return;
    for (const { borrowed } of this.#all) borrowed[Symbol.dispose]();
  }
}
