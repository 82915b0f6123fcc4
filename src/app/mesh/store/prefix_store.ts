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
import { eitherSignal } from "./either_signal.ts";
import { recordClassOf } from "./key_places.ts";
import type { RingStore } from "./ring_store.ts";

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
    return this.#while(o, (call) => this.#of(key).get(key, call));
  }

  put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written> {
    return this.#while(o, (call) => this.#of(key).put(key, value, call));
  }

  delete(key: string, o: Call & { if?: Version }): Promise<Written> {
    return this.#while(o, (call) => this.#of(key).delete(key, call));
  }

  list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed> {
    return this.#while(o, (call) => this.#of(prefix).list(prefix, call));
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

  #of(key: string): Pick<MeshStore, "capabilities" | "get" | "put" | "delete" | "list" | "watch"> {
    return recordClassOf(key) === null ? this.#core : this.#ring;
  }

  async #while<O extends Call, T>(o: O, call: (o: O) => Promise<T>): Promise<T> {
    this.#closed.signal.throwIfAborted();
    using either = eitherSignal(o.signal, this.#closed.signal);
    return await call({ ...o, signal: either.signal });
  }
}
