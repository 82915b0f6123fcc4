import type { Clock } from "../../contract/host.ts";
import type { AddressPool, Lease } from "../../core/ip/address_pool.ts";

/** Milliseconds between two reports, at least. */
const AT_MOST_EVERY = 1_000;

export class LeaseReports implements Disposable {
  readonly #clock: Clock;
  readonly #pool: Pick<AddressPool, "kept">;
  readonly #report: (leases: readonly Lease[]) => void;
  #timer: Disposable | null = null;

  constructor(
    clock: Clock,
    pool: Pick<AddressPool, "kept">,
    report: (leases: readonly Lease[]) => void,
  ) {
    this.#clock = clock;
    this.#pool = pool;
    this.#report = report;
  }

  changed(): void {
    this.#timer ??= this.#clock.after(AT_MOST_EVERY, () => this.#flush());
  }

  #flush(): void {
    this.#timer = null;
    this.#report(this.#pool.kept());
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    this.#timer[Symbol.dispose]();
    this.#flush();
  }
}
