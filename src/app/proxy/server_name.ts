import type { Clock, Resolver } from "../../contract/host.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";

/** How long addresses are taken for those of the name without asking again. */
const FRESH_MS = 30_000;

/**
 * Resolves the one name that every connection wants, the server's, as seldom as will do: what was
 * answered serves for half a minute, questions at the same time are one, and where nobody answers
 * any more the last answer goes on. Another name takes the place of the one before.
 */
export class ServerName implements Resolver {
  readonly #inner: Resolver;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #host = "";
  #known: { readonly addresses: string[]; readonly at: number } | null = null;
  #asking: Promise<string[]> | null = null;

  /** `signal`: ends questions that are under way. */
  constructor(inner: Resolver, clock: Clock, signal: AbortSignal) {
    this.#inner = inner;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** @throws {TtunError} name, where there has never been an answer; the signal's reason */
  async resolve(host: string, { signal }: { signal: AbortSignal }): Promise<string[]> {
    signal.throwIfAborted();
    if (host !== this.#host) {
      this.#host = host;
      this.#known = this.#asking = null;
    }
    const known = this.#known;
    if (known !== null && this.#clock.now() - known.at < FRESH_MS) return [...known.addresses];
    try {
      return [...await abortable(this.#asking ??= this.#ask(host), signal)];
    } catch (error) {
      const isMissing = error instanceof TtunError && error.kind === "name";
      if (known === null || !isMissing) throw error;
      return [...known.addresses];
    }
  }

  async #ask(host: string): Promise<string[]> {
    try {
      const addresses = await this.#inner.resolve(host, { signal: this.#signal });
      if (host === this.#host) this.#known = { addresses, at: this.#clock.now() };
      return addresses;
    } finally {
      if (host === this.#host) this.#asking = null;
    }
  }
}
