import type { Libssl } from "../../../ffi/openssl/libssl.ts";
import type { ProtocolChoice } from "../../../ffi/openssl/alpn.ts";
import type { TlsContext } from "../../../ffi/openssl/tls_context.ts";

/** A certificate with its key, in PEM. Another object is another certificate. */
export interface KeyPair {
  /** The certificate, behind it those between it and the authority. */
  readonly certificates: readonly string[];
  readonly key: string;
}

export interface NamedContextsOptions {
  readonly libssl: Libssl;
  /** Names of ALPN, the best first. */
  readonly protocols: readonly string[];
  /** Returns 80 secret bytes that tickets of a name are sealed with. */
  readonly ticketKeys: (name: string) => Uint8Array;
  /** Returns at most 32 bytes that differ from name to name. */
  readonly sessionContext: (name: string) => Uint8Array;
}

/** Contexts that are kept: each takes some 30 KiB, and milliseconds to make. */
const MOST_CONTEXTS = 1000;

interface Kept {
  readonly pair: KeyPair;
  readonly context: TlsContext;
}

/**
 * A server's contexts by name: made when a client wants the name, made again when its certificate has
 * changed, and freed when others were wanted since. Sessions that have begun go on.
 */
export class NamedContexts implements Disposable {
  readonly #o: NamedContextsOptions;
  readonly #choice: ProtocolChoice;
  /** By name, the one that was used last at the end. */
  readonly #kept = new Map<string, Kept>();
  #made = 0;

  constructor(o: NamedContextsOptions) {
    this.#o = o;
    this.#choice = o.libssl.protocolChoice(o.protocols);
  }

  /** Contexts that were made so far. */
  get made(): number {
    return this.#made;
  }

  /** Returns the context of a name, which stays this object's. @throws {TtunError} usage */
  get(name: string, pair: KeyPair): TlsContext {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    if (kept !== undefined && kept.pair === pair) {
      this.#kept.set(name, kept);
      return kept.context;
    }
    kept?.context[Symbol.dispose]();
    const { libssl, ticketKeys, sessionContext } = this.#o;
    const context = libssl.namedServer({
      ...pair,
      choice: this.#choice,
      ticketKeys: ticketKeys(name),
      sessionContext: sessionContext(name),
    });
    this.#made++;
    this.#kept.set(name, { pair, context });
    if (this.#kept.size > MOST_CONTEXTS) this.#dropOldest();
    return context;
  }

  #dropOldest(): void {
    for (const [name, { context }] of this.#kept) {
      this.#kept.delete(name);
      context[Symbol.dispose]();
      return;
    }
  }

  /** To be disposed of after all sessions. */
  [Symbol.dispose](): void {
    for (const { context } of this.#kept.values()) context[Symbol.dispose]();
    this.#kept.clear();
    this.#choice[Symbol.dispose]();
  }
}
