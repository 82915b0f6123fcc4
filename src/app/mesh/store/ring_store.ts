import type { Clock } from "../../../contract/host.ts";
import {
  type Call,
  type Capabilities,
  type Entry,
  type Listed,
  MeshError,
  type MeshStore,
  type Session,
  type Version,
  type WatchedChange,
  type Written,
} from "../../../contract/mesh_store.ts";
import { keyProblem } from "../../../core/mesh/core/limits.ts";
import {
  joinKey,
  MAX_SOFT_TTL_MS,
  MAX_VALUE,
  type MeshRecord,
  type RecordClass,
  splitKey,
} from "../../../core/mesh/record.ts";
import { type RecordVersion, versionText } from "../../../core/mesh/version.ts";
import type { RingDriver } from "../ring/ring_driver.ts";
import { ChangeQueue } from "./change_queue.ts";
import { Expiries } from "./expiries.ts";
import { recordClassOf } from "./key_places.ts";

/** Requests of this process that are remembered, for those that are repeated. */
const MAX_DONE = 2_000;
const MAX_PAGE = 1_000;
/** Milliseconds that a soft record lives where its writer does not say. */
const SOFT_TTL_MS = 90_000;

/** The part of a ring's driver that its store needs. */
export type RingCalls = Pick<RingDriver, "put" | "delete" | "get" | "list" | "follow">;

/** A store's part for keys whose records are on the ring: available, and eventual. */
export class RingStore
  implements Pick<MeshStore, "capabilities" | "get" | "put" | "delete" | "list" | "watch"> {
  readonly #ring: RingCalls;
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #done = new Map<string, Written>();

  /** `now`: milliseconds since 1970, by which records expire. */
  constructor(ring: RingCalls, o: { clock: Clock; now: () => number }) {
    this.#ring = ring;
    this.#clock = o.clock;
    this.#now = o.now;
  }

  capabilities(_key: string): Capabilities {
    return { cas: false, watch: "hint", maxValue: MAX_VALUE };
  }

  async get(key: string, o: Call & { stale?: boolean }): Promise<Entry | null> {
    const isSoft = o.stale === true || classOf(key) === "soft";
    const record = await this.#ring.get({ key, isSoft }, o.signal);
    return record === null || record.isTombstone ? null : this.#entry(record);
  }

  async put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written> {
    refuseConditions(o);
    requireKey(key);
    if (o.session !== undefined) {
      throw new MeshError("unsupported", `Sessions own no keys of the ring, such as ${key}`);
    }
    const kind = classOf(key);
    const ttlMs = o.ttlMs ?? (kind === "soft" ? SOFT_TTL_MS : 0);
    const write = () => this.#ring.put({ key, value, class: kind, ttlMs }, o.signal);
    if (o.requestId === undefined) return writtenAs(await write());
    return await this.#once(`${key} ${o.requestId}`, write);
  }

  async delete(key: string, o: Call & { if?: Version }): Promise<Written> {
    refuseConditions(o);
    requireKey(key);
    const what = { key, class: classOf(key), ttlMs: MAX_SOFT_TTL_MS };
    const write = () => this.#ring.delete(what, o.signal);
    if (o.requestId === undefined) return writtenAs(await write());
    return await this.#once(`${key} ${o.requestId}`, write);
  }

  async list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed> {
    const { bucket, children } = bucketOf(prefix);
    const after = o.after?.startsWith(`${bucket}/`) ? o.after.slice(bucket.length + 1) : null;
    const page = await this.#ring.list({
      bucket,
      prefix: children,
      after,
      limit: Math.max(1, Math.min(o.limit, MAX_PAGE)),
      isSoft: false,
    }, o.signal);
    const entries = page.records
      .filter(({ child }) => child !== "")
      .map((record) => this.#entry(record));
    return {
      entries,
      ...page.hasMore && page.last !== null ? { next: `${bucket}/${page.last}` } : {},
    };
  }

  async *watch(prefix: string, o: Call & { from?: string }): AsyncIterable<WatchedChange> {
    const { bucket, children } = bucketOf(prefix);
    const queue = new ChangeQueue();
    if (o.from !== undefined) queue.push({ kind: "reset" });
    using expiries = new Expiries(this.#clock, this.#now, (key) => {
      queue.push({ kind: "delete", key });
    });
    using _following = this.#ring.follow(bucket, (record) => {
      if (record.child === "" || !record.child.startsWith(children)) return;
      const key = joinKey(record);
      const isOver = record.expiry !== 0 && record.expiry <= this.#now();
      expiries.set(key, record.isTombstone || isOver ? 0 : record.expiry);
      if (record.isTombstone || isOver) queue.push({ kind: "delete", key });
      else queue.push({ kind: "put", entry: this.#entry(record) });
    });
    yield* queue.read(o.signal);
  }

  #entry(record: MeshRecord): Entry {
    const { value, version, expiry } = record;
    const entry: Entry = { key: joinKey(record), value, version: versionText(version) };
    if (expiry !== 0) entry.expiresInMs = Math.max(1, expiry - this.#now());
    return entry;
  }

  /** A request that is repeated here is answered as before: another version would undo later ones. */
  async #once(id: string, write: () => Promise<{ version: RecordVersion }>): Promise<Written> {
    const before = this.#done.get(id);
    if (before !== undefined) return before;
    const written = writtenAs(await write());
    this.#done.set(id, written);
    for (const oldest of this.#done.keys()) {
      if (this.#done.size <= MAX_DONE) break;
      this.#done.delete(oldest);
    }
    return written;
  }
}

function writtenAs({ version }: { version: RecordVersion }): Written {
  return { ok: true, version: versionText(version) };
}

function classOf(key: string): RecordClass {
  return recordClassOf(key) ?? "durable";
}

/** @throws {MeshError} as the core refuses it */
function requireKey(key: string): void {
  const problem = splitKey(key) === null ? keyProblem(key) : null;
  if (problem !== null) throw new MeshError("limit", problem);
  if (!key.includes("/")) throw new MeshError("limit", "A key of the ring has two parts at least");
}

function refuseConditions(o: { if?: Version }): void {
  if (o.if === undefined) return;
  throw new MeshError(
    "unsupported",
    "Keys of the ring take no conditions: of two writes the later one wins. Keys of names and " +
      "leases take them",
  );
}

/** The bucket of all keys with a prefix, and how their children begin. @throws {MeshError} */
function bucketOf(prefix: string): { bucket: string; children: string } {
  const [, bucket, children] = /^([A-Za-z0-9._-]+\/[A-Za-z0-9._-]+)\/([A-Za-z0-9._/-]*)$/
    .exec(prefix) ?? [];
  if (bucket !== undefined) return { bucket, children: children! };
  throw new MeshError(
    "unsupported",
    `The ring lists and watches what is below two parts of a key, as in kv/NAME/: ${prefix} ` +
      "says less",
  );
}
