import { ProtocolError } from "../../../base/errors.ts";
import type { Clock, Rng } from "../../../contract/host.ts";
import type { Logger } from "../../../base/log.ts";
import type { Entry, MeshStore, Version } from "../../../contract/mesh_store.ts";
import {
  type CertificateRecord,
  CERTIFICATES,
  decodeCertificateRecord,
  encodeCertificateRecord,
  openRecord,
  sealRecord,
} from "../../../core/gateway/certificate_record.ts";
import { sleep } from "../../loop/sleep.ts";

/** Milliseconds until the store is watched again after a failure. */
const RETRY_MS = 1_000;

/** Certificates that are remembered, those that were wanted last. */
const MOST_KNOWN = 1000;

const EMPTY: CertificateRecord = { kept: null, attempt: null };

/** A certificate with its key in PEM, as TLS takes it; another object is another certificate. */
export interface KeyPair {
  readonly certificates: readonly string[];
  readonly key: string;
}

/** A record as the store has it. */
export interface Known {
  readonly record: CertificateRecord;
  /** Null = there is none, or one that cannot be read and may be replaced. */
  readonly version: Version | "absent";
  /** Null = there is no certificate. */
  readonly pair: KeyPair | null;
  /** It is of this node's own cache, and the store may have another one. */
  readonly isCached: boolean;
}

/** Keeps sealed records of this node's, as the store had them last. Never throws. */
export interface RecordCache {
  read(name: string): Uint8Array | null;
  write(name: string, sealed: Uint8Array): void;
}

export interface CertificateStoreOptions {
  readonly store: MeshStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng: Rng;
  /** The cluster's, the one to be used first. */
  readonly secrets: () => readonly Uint8Array[];
  /** Returns a key in PEM. */
  readonly keyOf: (seed: Uint8Array) => string;
  readonly cache: RecordCache;
}

/** The cluster's certificates, sealed in its store; those that are in use are known here, and followed. */
export class CertificateStore {
  readonly #o: CertificateStoreOptions;
  /** By name, the one that was wanted last at the end. */
  readonly #known = new Map<string, Known>();

  constructor(o: CertificateStoreOptions) {
    this.#o = o;
  }

  /** Those that are known here. */
  get known(): ReadonlyMap<string, Known> {
    return this.#known;
  }

  /** Returns what is known, without asking the store; null = nothing is. */
  peek(name: string): Known | null {
    const known = this.#known.get(name) ?? this.#cached(name);
    if (known === null) return null;
    this.#known.delete(name);
    this.#known.set(name, known);
    return known;
  }

  /** Asks the store. @throws {MeshError} */
  async read(name: string, signal: AbortSignal): Promise<Known> {
    const entry = await this.#o.store.get(CERTIFICATES + name, { signal });
    return this.#learn(name, entry);
  }

  /** Writes over that version; returns what is there then. @throws {MeshError} */
  async write(
    name: string,
    record: CertificateRecord,
    over: Known,
    signal: AbortSignal,
  ): Promise<{ readonly ok: boolean; readonly known: Known }> {
    const { store, rng, secrets } = this.#o;
    const key = CERTIFICATES + name;
    const [secret] = secrets();
    const value = sealRecord(encodeCertificateRecord(record), { key, secret: secret!, rng });
    const written = await store.put(key, value, { signal, if: over.version });
    if (!written.ok) return { ok: false, known: this.#learn(name, written.current) };
    return { ok: true, known: this.#learn(name, { key, value, version: written.version }) };
  }

  /** Follows changes until the signal aborts. @throws its reason */
  async run(signal: AbortSignal): Promise<never> {
    const { store, clock, log } = this.#o;
    for (;;) {
      try {
        const { cursor } = await store.list(CERTIFICATES, { signal, limit: 1 });
        await this.#refresh(signal);
        const from = cursor === undefined ? {} : { from: cursor };
        for await (const change of store.watch(CERTIFICATES, { signal, ...from })) {
          if (change.kind === "reset") break;
          const key = change.kind === "put" ? change.entry.key : change.key;
          const name = key.slice(CERTIFICATES.length);
          if (this.#known.has(name)) this.#learn(name, change.kind === "put" ? change.entry : null);
        }
      } catch (error) {
        signal.throwIfAborted();
        log.debug("Cannot follow certificates now", { why: String(error) });
      }
      signal.throwIfAborted();
      await sleep(clock, RETRY_MS, signal);
    }
  }

  /** Changes may have been missed. @throws {MeshError} */
  async #refresh(signal: AbortSignal): Promise<void> {
    for (const name of [...this.#known.keys()]) await this.read(name, signal);
  }

  /** Null = there is none with a certificate. */
  #cached(name: string): Known | null {
    const value = this.#o.cache.read(name);
    if (value === null) return null;
    const key = CERTIFICATES + name;
    const known = this.#opened(name, { key, value, version: "absent" }, null);
    return known.pair === null ? null : { ...known, isCached: true };
  }

  #learn(name: string, entry: Entry | null): Known {
    const before = this.#known.get(name);
    if (entry !== null && before?.version === entry.version) return before;
    const known = this.#opened(name, entry, before ?? null);
    if (entry !== null && known.pair !== null) this.#o.cache.write(name, entry.value);
    this.#known.delete(name);
    this.#known.set(name, known);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    return known;
  }

  #opened(name: string, entry: Entry | null, before: Known | null): Known {
    const { secrets, log } = this.#o;
    if (entry === null) return { record: EMPTY, version: "absent", pair: null, isCached: false };
    const { key, value, version } = entry;
    try {
      const { bytes } = openRecord(value, { key, secrets: secrets() });
      const record = decodeCertificateRecord(bytes);
      return { record, version, pair: this.#pairOf(record, before), isCached: false };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      log.warn("A certificate of the store is of no use, and is ordered anew", {
        name,
        why: error.message,
      });
      return { record: EMPTY, version, pair: null, isCached: false };
    }
  }

  /** Contexts of TLS are made again for another object alone. */
  #pairOf({ kept }: CertificateRecord, before: Known | null): KeyPair | null {
    if (kept === null) return null;
    const same = before?.record.kept?.chain.join() === kept.chain.join();
    if (same && before?.pair != null) return before.pair;
    return { certificates: kept.chain, key: this.#o.keyOf(kept.seed) };
  }

  /** Seals a record under the secret that is used now, if it is not. @throws {MeshError} */
  async reseal(name: string, signal: AbortSignal): Promise<void> {
    const key = CERTIFICATES + name;
    const entry = await this.#o.store.get(key, { signal });
    if (entry === null) return;
    await resealEntry(entry, this.#o, signal);
  }
}

/** Seals an entry anew if it is sealed under a secret that goes out of use. @throws {MeshError} */
export async function resealEntry(
  { key, value, version }: Entry,
  { store, secrets, rng }: Pick<CertificateStoreOptions, "store" | "secrets" | "rng">,
  signal: AbortSignal,
): Promise<void> {
  let opened: ReturnType<typeof openRecord>;
  try {
    opened = openRecord(value, { key, secrets: secrets() });
  } catch {
    return; // it is replaced when it is needed
  }
  if (!opened.isOld) return;
  const sealed = sealRecord(opened.bytes, { key, secret: secrets()[0]!, rng });
  await store.put(key, sealed, { signal, if: version });
}
