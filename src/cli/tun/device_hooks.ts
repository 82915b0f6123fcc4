import type { Libc } from "../../../ffi/linux/libc.ts";
import { toTtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { type Hook, runHook } from "./hooks.ts";
import type { TunFacts } from "./plane_config.ts";

export interface TunHookOptions {
  readonly up: string | undefined;
  readonly down: string | undefined;
  readonly role: Hook["role"];
  /** A server may give other addresses than the device has at first: --up waits for its answer. */
  readonly waits: boolean;
  /**
   * Under --user: --up runs while this is root still, which its commands need most often, and so not
   * again when a later server gives other addresses.
   */
  readonly once: boolean;
  /** Runs one of them to its end; `null` in the place of a signal: it is not to be stopped. */
  readonly run: (hook: Hook, signal: AbortSignal | null) => Promise<void>;
  readonly context: Pick<RunContext, "log" | "signal">;
}

/**
 * The user's commands in the course of a tunnel's life: --up when the device is ready and its
 * addresses are known, and --down at the end if --up has run or there is none. With other addresses
 * --down runs for the old ones, then --up for the new, unless they run once (`once`).
 */
export class TunHooks {
  readonly #o: TunHookOptions;
  /** The facts for the commands; null before the device is ready. */
  #facts: TunFacts | null = null;
  #isUp = false;
  /** One after another, also when a session ends while a command runs and the next one begins. */
  #last: Promise<void> = Promise.resolve();

  constructor(o: TunHookOptions) {
    this.#o = o;
  }

  /** The device is ready. @throws {TtunError} hook, when --up fails */
  async ready(facts: TunFacts): Promise<void> {
    this.#facts = facts;
    if (!this.#o.waits) await this.#up();
  }

  /**
   * A client's session has begun, and these are the device's addresses. Packets wait until this has
   * settled. @throws {TtunError} hook, when --up fails
   */
  addresses(addresses: readonly string[]): Promise<void> {
    const next = this.#last.then(() => this.#take(addresses));
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

  /** The device is closed. Never throws. */
  async ended(): Promise<void> {
    if (this.#facts !== null && (this.#isUp || this.#o.up === undefined)) {
      await this.#down(this.#facts);
    }
  }

  async #up(): Promise<void> {
    const { up, role, run, context } = this.#o;
    if (up === undefined) return;
    this.#isUp = true; // one that fails may have done half of it
    await run({ name: "--up", command: up, role, facts: this.#facts! }, context.signal);
  }

  async #down(facts: TunFacts): Promise<void> {
    const { down, role, run, context } = this.#o;
    if (down === undefined) return;
    try {
      await run({ name: "--down", command: down, role, facts }, null);
    } catch (error) {
      context.log.warn(toTtunError(error).message); // what comes next goes on
    }
  }
}

/** Hooks that run in a shell. `libc`: to end one together with what it has started. */
export function shellHooks(o: Omit<TunHookOptions, "run">, libc: Libc | null): TunHooks {
  return new TunHooks({ ...o, run: (hook, signal) => runHook(hook, libc, signal) });
}
