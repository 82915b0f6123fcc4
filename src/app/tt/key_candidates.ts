import { minuteOf, minutesToTry } from "../../core/tt/keys.ts";
import type { Candidate } from "../../core/tt/first_frame.ts";
import type { NonceMemory } from "../../core/tt/nonce_filter.ts";
import { portOf, type PortRange } from "../../core/hop/port_range.ts";
import type { Borrowed, MinuteKeyCache } from "./minute_keys.ts";

/** Somebody with a password, and what is remembered of theirs. */
export interface Account {
  /** For the log; "" where there is only one. */
  readonly name: string;
  readonly secrets: MinuteKeyCache;
  readonly nonces: NonceMemory;
}

/** An account's key of one minute, under which a first frame may be. */
export interface Guess extends Candidate {
  readonly account: Account;
  readonly borrowed: Borrowed;
}

/**
 * Whose key a connection's first frame may be under. It is the same for all connections of a minute
 * and a port, so the answer is kept until the minute is over.
 */
export class KeyCandidates implements Disposable {
  readonly #accounts: readonly Account[];
  readonly #range: PortRange;
  #round: Round | null = null;

  /** The accounts stay the caller's. */
  constructor(o: { accounts: readonly Account[]; range: PortRange }) {
    this.#accounts = o.accounts;
    this.#range = o.range;
  }

  /** The guesses of this time, until it is released. */
  take(unixMs: number): Round {
    const minute = minuteOf(unixMs);
    if (this.#round?.minute !== minute) {
      this.#round?.release();
      this.#round = new Round(minute, this.#accounts, this.#range);
    }
    return this.#round.use();
  }

  [Symbol.dispose](): void {
    this.#round?.release();
    this.#round = null;
  }
}

/** The guesses of one minute. Its keys go with its last user. */
class Round {
  readonly minute: number;
  readonly #range: PortRange;
  readonly #all: readonly Guess[];
  readonly #byPort = new Map<number, readonly Guess[]>();
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

  /** The likeliest first: a client takes port and key of the same minute. */
  of(port: number): readonly Guess[] {
    const known = this.#byPort.get(port);
    if (known !== undefined) return known;
    const fits = ({ borrowed }: Guess) => portOf(borrowed.keys.otp, this.#range) === port;
    const all = this.#all;
    const found = [...all.filter(fits), ...all.filter((one) => !fits(one))];
    this.#byPort.set(port, found); // ports that are listened on: a few
    return found;
  }

  use(): Round {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users > 0) return;
    for (const { borrowed } of this.#all) borrowed[Symbol.dispose]();
  }
}
