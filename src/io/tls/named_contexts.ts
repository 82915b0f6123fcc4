import { toHex } from "../../base/bytes.ts";
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
  /**
   * Returns 80 secret bytes that tickets of a name are sealed with, of which the first 16 name them.
   * `ticket`: the first 16 of the client's ticket; null = it has none.
   */
  readonly ticketKeys: (name: string, ticket: Uint8Array | null) => Uint8Array;
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
  /** By name and the name of its keys, the one that was used last at the end. */
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

  /** `ticket`: the beginning of the client's. Returns the context of a name, which stays this object's. @throws {TtunError} usage */
  get(name: string, pair: KeyPair, ticket: Uint8Array | null): TlsContext {
    const { libssl, sessionContext } = this.#o;
    const ticketKeys = this.#o.ticketKeys(name, ticket);
    const key = `${name} ${toHex(ticketKeys.subarray(0, 16))}`;
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept !== undefined && kept.pair === pair) {
      this.#kept.set(key, kept);
      return kept.context;
    }
    kept?.context[Symbol.dispose]();
    const context = libssl.namedServer({
      ...pair,
      choice: this.#choice,
      ticketKeys,
      sessionContext: sessionContext(name),
    });
    this.#made++;
    this.#kept.set(key, { pair, context });
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
