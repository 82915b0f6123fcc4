import { utf8 } from "../../base/bytes.ts";
import type { Clock } from "../../contract/host.ts";
import type { ExchangeRecords } from "../../core/gateway/inspect/records.ts";
import { summaryOf } from "../../core/gateway/inspect/shown.ts";
import type { ServerEnd } from "./exchange_relay.ts";

/** Milliseconds for which changes are gathered. */
const GATHER_MS = 100;

/** Milliseconds after which something is said in any case, so that a dead browser is noticed. */
const QUIET_MS = 20_000;

/**
 * The list of exchanges as a stream of events, at first all of them. Of an exchange that changes while
 * the browser is slow only the last state is told.
 */
export class InspectEvents implements Disposable {
  readonly #end: ServerEnd;
  readonly #id: number;
  readonly #clock: Clock;
  readonly #watch: Disposable;
  readonly #records: ExchangeRecords;
  /** Numbers: those that are forgotten meanwhile take no memory here. */
  readonly #changed = new Set<number>();
  #timer: Disposable | null = null;
  #quiet: Disposable;

  constructor(end: ServerEnd, id: number, records: ExchangeRecords, clock: Clock) {
    this.#end = end;
    this.#id = id;
    this.#clock = clock;
    this.#records = records;
    for (const { id } of records.all) this.#changed.add(id);
    this.#watch = records.watch(({ id }) => {
      this.#changed.add(id);
      if (this.#changed.size > MOST_CHANGED) {
        this.#changed.delete(this.#changed.keys().next().value!);
      }
      this.#timer ??= clock.after(GATHER_MS, () => this.#gathered());
    });
    this.#quiet = clock.after(QUIET_MS, () => this.#comment());
    this.flush();
  }

  /** Tells what has changed, if the browser has taken what was told before. */
  flush(): void {
    if (this.#timer !== null || this.#changed.size === 0 || this.#end.driver.isBlocked) return;
    const all = [...this.#changed].map((id) => this.#records.get(id))
      .filter((exchange) => exchange !== null).map(summaryOf);
    this.#changed.clear();
    this.#say(`data: ${JSON.stringify(all)}\n\n`);
  }

  #gathered(): void {
    this.#timer = null;
    this.flush();
  }

  #comment(): void {
    this.#quiet = this.#clock.after(QUIET_MS, () => this.#comment());
    if (!this.#end.driver.isBlocked) this.#say(":\n\n");
  }

  #say(text: string): void {
    const { driver, machine } = this.#end;
    driver.call(() => machine.data(this.#id, utf8(text)));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#quiet[Symbol.dispose]();
  }
}

/** Exchanges of which a slow browser is told later; the oldest ones are then left out. */
const MOST_CHANGED = 500;
