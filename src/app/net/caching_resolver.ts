import type { Clock, Resolver } from "../../contract/host.ts";
import { NameError, toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { abortable } from "../../base/scope.ts";

/** How long addresses are taken for those of the name without asking again. */
const FRESH_MS = 30_000;

/**
 * A name server that is there answers within this time, most often with what was known. Where the last
 * question found none there is no such wait.
 */
const PATIENCE_MS = 250;

/** From when on a question without an answer is worth a line. */
const TELL_MS = 3000;

export interface ServerNameOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends questions that are under way. */
  readonly signal: AbortSignal;
  /** For how long no question follows an answer. */
  readonly freshMs?: number;
  /** An answer from before, for use while there is none. */
  readonly known?: { readonly host: string; readonly addresses: readonly string[] };
}

/**
 * Resolves the one name that every connection wants, the server's, as seldom as will do: what was
 * answered serves for half a minute, questions at the same time are one, and when name servers do not
 * answer the last addresses are used at once, while they are asked in the background. Another name
 * takes the place of the one before.
 */
export class CachingResolver implements Resolver {
  readonly #inner: Resolver;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #log: Logger;
  readonly #freshMs: number;
  #host = "";
  #known: { readonly addresses: string[]; readonly at: number } | null = null;
  #asking: Promise<string[]> | null = null;
  /** The last question had no answer, or has none yet: nobody waits for the next one's. */
  #isDark = false;
  #isTold = false;

  constructor(inner: Resolver, o: ServerNameOptions) {
    this.#inner = inner;
    this.#clock = o.clock;
    this.#signal = o.signal;
    this.#log = o.log;
    this.#freshMs = o.freshMs ?? FRESH_MS;
    if (o.known === undefined || o.known.addresses.length === 0) return;
    this.#host = o.known.host;
    this.#known = { addresses: [...o.known.addresses], at: -Infinity };
  }

  /** @throws {NameError} where there has never been an answer; the signal's reason */
  async resolve(host: string, { signal }: { signal: AbortSignal }): Promise<string[]> {
    signal.throwIfAborted();
    if (host !== this.#host) {
      this.#host = host;
      this.#known = this.#asking = null;
      this.#isDark = this.#isTold = false;
    }
    const known = this.#known;
    if (known !== null && this.#clock.now() - known.at < this.#freshMs) return [...known.addresses];
    const asking = this.#asking ??= this.#ask(host, known?.addresses ?? null);
    if (known === null) return [...await abortable(asking, signal)];
    asking.catch(() => {}); // told where it was asked
    if (this.#isDark) return [...known.addresses];
    const late = Promise.withResolvers<string[]>();
    using _timer = this.#clock.after(PATIENCE_MS, () => {
      this.#isDark ||= this.#asking === asking;
      late.resolve(known.addresses);
    });
    const answer = asking.catch(() => known.addresses);
    return [...await abortable(Promise.race([answer, late.promise]), signal)];
  }

  async #ask(host: string, last: string[] | null): Promise<string[]> {
    using _slow = this.#clock.after(TELL_MS, () => this.#tell(host, last, "no answer yet"));
    try {
      const addresses = await this.#inner.resolve(host, { signal: this.#signal });
      if (host === this.#host) {
        this.#known = { addresses, at: this.#clock.now() };
        if (this.#isTold) this.#log.info(`the name ${host} resolves again`);
        this.#isDark = this.#isTold = false;
      }
      return addresses;
    } catch (error) {
      if (!this.#signal.aborted) this.#tell(host, last, reasonOf(error));
      if (host === this.#host) this.#isDark = true;
      throw error;
    } finally {
      if (host === this.#host) this.#asking = null;
    }
  }

  /** Once until it resolves again. Where there is no last address whoever asks hears of it. */
  #tell(host: string, last: string[] | null, why: string): void {
    if (host !== this.#host || last === null || this.#isTold) return;
    this.#isTold = true;
    const words = last.length > 1 ? "addresses" : "address";
    this.#log.warn(
      `the name ${host} does not resolve at the moment (${why}); using the last ${words} ` +
        last.join(", "),
    );
  }
}

/** In few words. */
function reasonOf(error: unknown): string {
  switch (error instanceof NameError ? error.reason : null) {
    case "silent":
      return "no answer from the name servers";
    case "missing":
      return "the name servers know no such name";
    case "failed":
      return "the name servers cannot tell";
    default:
      return toTtunError(error).message;
  }
}
