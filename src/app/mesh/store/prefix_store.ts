import {
  type Call,
  type Capabilities,
  type Entry,
  type Health,
  type Lease,
  type Listed,
  MeshError,
  type MeshStore,
  type Session,
  type Version,
  type WatchedChange,
  type Written,
} from "../../../contract/mesh_store.ts";
import { onAbort } from "../../../base/scope.ts";
import { eitherSignal } from "./either_signal.ts";
import { recordClassOf } from "./key_places.ts";
import type { RingStore } from "./ring_store.ts";

/** The part of a store that is about keys. */
type KeyStore = Pick<MeshStore, "capabilities" | "get" | "put" | "delete" | "list" | "watch">;

/** The store of a node: keys of the ring there, all others in the core, wherever that is. */
export class PrefixStore implements MeshStore {
  readonly #ring: RingStore;
  readonly #core: MeshStore;
  readonly #health: () => Health | Promise<Health>;
  readonly #closed = new AbortController();

  /** The core's store is closed with this one; the ring's driver is not. */
  constructor(o: { ring: RingStore; core: MeshStore; health: () => Health | Promise<Health> }) {
    this.#ring = o.ring;
    this.#core = o.core;
    this.#health = o.health;
  }

  capabilities(key: string): Capabilities {
    return this.#of(key).capabilities(key);
  }

  get(key: string, o: Call & { stale?: boolean }): Promise<Entry | null> {
    return this.#while(key, o, (store, call) => store.get(key, call));
  }

  put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written> {
    return this.#while(key, o, (store, call) => store.put(key, value, call));
  }

  delete(key: string, o: Call & { if?: Version }): Promise<Written> {
    return this.#while(key, o, (store, call) => store.delete(key, call));
  }

  list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed> {
    return this.#while(prefix, o, (store, call) => store.list(prefix, call));
  }

  async *watch(prefix: string, o: Call & { from?: string }): AsyncIterable<WatchedChange> {
    this.#closed.signal.throwIfAborted();
    using either = eitherSignal(o.signal, this.#closed.signal);
    yield* this.#of(prefix).watch(prefix, { ...o, signal: either.signal });
  }

  session(ttlMs: number, o: Call): Promise<Session> {
    return this.#core.session(ttlMs, o);
  }

  acquire(name: string, session: Session, o: Call): Promise<Lease | null> {
    return this.#core.acquire(name, session, o);
  }

  release(name: string, token: Version, o: Call): Promise<boolean> {
    return this.#core.release(name, token, o);
  }

  async health(): Promise<Health> {
    return await this.#health();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new MeshError("closed", "The store is closed", { outcome: "unknown" }));
    await this.#core[Symbol.asyncDispose]();
  }

  #of(key: string): KeyStore {
    return recordClassOf(key) === null ? this.#core : this.#ring;
  }

  /** Does as `abortable`, for a fraction of its time. */
  #untilClosed<T>(result: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const registration = onAbort(this.#closed.signal, reject);
      result.then((value) => {
        registration[Symbol.dispose]();
        resolve(value);
      }, (error) => {
        registration[Symbol.dispose]();
        reject(error);
      });
    });
  }

  async #while<O extends Call, T>(
    key: string,
    o: O,
    call: (store: KeyStore, o: O) => Promise<T>,
  ): Promise<T> {
    const closed = this.#closed.signal;
    closed.throwIfAborted();
    const store = this.#of(key);
    // Nothing of a call to the ring is left to be ended, and a signal of its own takes time.
    if (store === this.#ring) return await this.#untilClosed(call(store, o));
    using either = eitherSignal(o.signal, closed);
    return await call(store, { ...o, signal: either.signal });
  }
}
