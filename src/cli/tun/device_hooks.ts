import type { ControlLibc } from "../../../ffi/linux/libc.ts";
import { toTtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { atMost, type Hook, runHook } from "./hooks.ts";
import type { TunFacts } from "./plane_config.ts";

/** How long an interrupted hook may take to end before --down runs, in milliseconds. */
const END_PATIENCE = 500;

export interface TunHookOptions {
  readonly up: string | undefined;
  readonly down: string | undefined;
  readonly role: Hook["role"];
  /** --up waits for the server's addresses, which may replace the first ones. */
  readonly waits: boolean;
  /** Set under --user: --up runs only while this is root, and not again for other addresses. */
  readonly once: boolean;
  /** Runs to the end; with null instead of a signal it cannot be stopped. */
  readonly run: (hook: Hook, signal: AbortSignal | null) => Promise<void>;
  readonly context: Pick<RunContext, "log" | "signal">;
}

/**
 * --up runs when the addresses are known, --down at the end if --up has run or does not exist. New
 * addresses run both: --down with the old ones, --up with the new ones (not under `once`).
 */
export class TunHooks {
  readonly #o: TunHookOptions;
  #facts: TunFacts | null = null;
  #isUp = false;
  /** Orders hooks, even if a session ends while one runs and the next begins. */
  #last: Promise<void> = Promise.resolve();

  constructor(o: TunHookOptions) {
    this.#o = o;
  }

  /** @throws {TtunError} hook, if --up fails */
  async ready(facts: TunFacts): Promise<void> {
    this.#facts = facts;
    if (!this.#o.waits) await this.#inTurn(() => this.#up());
  }

  /** A client's session waits until this settles. @throws {TtunError} hook, if --up fails */
  addresses(addresses: readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#take(addresses));
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const next = this.#last.then(run);
    this.#last = next.catch(() => {}); // told to whoever waits for `next`
    return next;
  }

  async #take(addresses: readonly string[]): Promise<void> {
    const before = this.#facts;
    if (before === null || this.#o.context.signal.aborted) return;
    const isSame = before.addresses.join() === addresses.join();
    if (this.#isUp && !isSame && this.#o.once) {
      this.#o.context.log.warn(
        "the server gives other addresses than --up was told, which runs before --user takes effect " +
          "and not again: with the old ones as --address the server gives them if they are free",
        { given: addresses.join(), told: before.addresses.join() },
      );
      return;
    }
    if (this.#isUp && !isSame) await this.#down(before);
    this.#facts = { ...before, addresses };
    if (!this.#isUp || !isSame) await this.#up();
  }

  /** A hook that the signal interrupts may end first. Never rejects. */
  async ended(): Promise<void> {
    await atMost(END_PATIENCE, this.#last);
    if (this.#facts !== null && (this.#isUp || this.#o.up === undefined)) {
      await this.#down(this.#facts);
    }
  }

  async #up(): Promise<void> {
    const { up, role, run, context } = this.#o;
    if (up === undefined) return;
    this.#isUp = true; // a failed one may have done half of its work
    await run({ name: "--up", command: up, role, facts: this.#facts! }, context.signal);
  }

  async #down(facts: TunFacts): Promise<void> {
    const { down, role, run, context } = this.#o;
    if (down === undefined) return;
    try {
      await run({ name: "--down", command: down, role, facts }, null);
    } catch (error) {
      context.log.warn(toTtunError(error).message); // the shutdown continues
    }
  }
}

export function shellHooks(o: Omit<TunHookOptions, "run">, libc: ControlLibc | null): TunHooks {
  return new TunHooks({ ...o, run: (hook, signal) => runHook(hook, libc, signal) });
}
