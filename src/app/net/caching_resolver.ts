import type { Clock, Resolver } from "../../contract/host.ts";
import { NameError, toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { abortable } from "../../base/scope.ts";

/** Time for which an answer is used without a new query, in milliseconds. */
const FRESH_MS = 30_000;

/**
 * Wait in milliseconds for a fresh answer before known addresses are used;
 * none if the last query failed. A working name server answers within it, mostly from its cache.
 */
const PATIENCE_MS = 250;

/** Milliseconds without an answer after which a message is logged. */
const TELL_MS = 3000;

export interface ServerNameOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds for which an answer is used; default: FRESH_MS. */
  readonly freshMs?: number;
  readonly known?: { readonly host: string; readonly addresses: readonly string[] };
}

/**
 * Resolves the server's name, which every connection needs, with few queries: an answer is used for
 * half a minute, and concurrent queries are merged. While the name servers do not answer, the last
 * addresses are used at once and a query runs in the background.
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
  /** The last query has failed or is unanswered so far: the next caller does not wait. */
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

  /** @throws {NameError} if there has never been an answer; otherwise the signal's reason */
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
    asking.catch(() => {}); // reported by #ask
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

  /** Logs once until the name resolves again; without a last address the caller gets the error. */
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
