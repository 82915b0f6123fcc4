import type { Clock, Rng } from "../../../contract/host.ts";
import { GatewayError, GRPC, type JsonGateway } from "../../../contract/json_gateway.ts";
import {
  type Call,
  type Capabilities,
  type Entry,
  type Health,
  type Lease,
  type Listed,
  MeshError,
  type MeshReason,
  type MeshStore,
  type Session,
  type Version,
  type WatchedChange,
  type Written,
} from "../../../contract/mesh_store.ts";
import { encode64 } from "../../../core/mesh/base64.ts";
import { keyProblem, MAX_PAGE, MAX_VALUE, prefixProblem } from "../../../core/mesh/core/limits.ts";
import { problemOf } from "../../../core/mesh/core/write_problem.ts";
import type { CoreWrite } from "../../../core/mesh/core/write_problem.ts";
import {
  type EtcdEntry,
  type EtcdHeader,
  EtcdKeys,
  type EtcdLease,
  type EtcdRange,
  type EtcdTxn,
  type EtcdWatch,
  isAbsent,
  isOfRevision,
} from "../../../core/mesh/etcd/etcd_json.ts";
import { sleep } from "../../loop/sleep.ts";
import { LEASES } from "./core_store.ts";
import { eitherSignal } from "./either_signal.ts";
import { heldLease } from "./held_lease.ts";
import { HeldSession } from "./held_session.ts";
import { TtlLeases } from "./ttl_leases.ts";

/** Milliseconds for which requests are remembered, for those that are repeated. */
const DONE_MS = 600_000;

/** Failures of a watch in a row after which it ends, and milliseconds between them. */
const WATCH_TRIES = 5;
const WATCH_RETRY_MS = 500;

/** A revision that no key has: conditions with a version that is none are never met. */
const NEVER = "9223372036854775807";

/** An etcd cluster, by its JSON gateway (etcd 3.4 and later). */
export class EtcdStore implements MeshStore {
  readonly #gateway: JsonGateway;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #keys: EtcdKeys;
  readonly #closed = new AbortController();
  readonly #ttlLeases: TtlLeases;

  /** `prefix` begins all keys there; the gateway is closed with the store. */
  constructor(gateway: JsonGateway, o: { clock: Clock; rng: Rng; prefix: string }) {
    this.#gateway = gateway;
    this.#clock = o.clock;
    this.#rng = o.rng;
    this.#keys = new EtcdKeys(o.prefix);
    this.#ttlLeases = new TtlLeases(
      (seconds) => this.#grant(this.#leaseId(false), seconds, { signal: this.#closed.signal }),
      o.clock,
    );
  }

  capabilities(_key: string): Capabilities {
    return { cas: true, watch: "ordered", maxValue: MAX_VALUE };
  }

  async get(key: string, o: Call & { stale?: boolean }): Promise<Entry | null> {
    if (keyProblem(key) !== null) return null;
    const body = { key: this.#keys.key(key), ...o.stale ? { serializable: true } : {} };
    const { kvs } = await this.#post<EtcdRange>("/v3/kv/range", body, o);
    if (kvs?.[0] === undefined) return null;
    const found = this.#keys.entry(kvs[0]);
    const entry = toEntry(found);
    if (!isTtlLease(found.lease)) return entry;
    const { TTL = "0" } = await this.#post<EtcdLease>("/v3/lease/timetolive", {
      ID: found.lease,
    }, o);
    return { ...entry, expiresInMs: Math.max(1, Number(TTL) * 1000) };
  }

  async put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written> {
    check({
      type: "put",
      key,
      value,
      ...o.ttlMs === undefined ? {} : { ttlMs: o.ttlMs },
      ...o.session === undefined ? {} : { session: o.session.id },
      ...o.requestId === undefined ? {} : { requestId: o.requestId },
    });
    if (o.session?.ended.aborted) throw new MeshError("closed", "The session has ended");
    const put = async () => ({
      key: this.#keys.key(key),
      value: encode64(value),
      ...o.session === undefined ? {} : { lease: o.session.id },
      ...o.ttlMs === undefined ? {} : { lease: await this.#ttlLeases.for(o.ttlMs) },
    });
    try {
      return await this.#write(key, "request_put", await put(), o);
    } catch (error) {
      if (!isMissingLease(error) || o.ttlMs === undefined) throw error;
      this.#ttlLeases.forget(o.ttlMs); // somebody has revoked it, or etcd was restored
      return await this.#write(key, "request_put", await put(), o);
    }
  }

  async delete(key: string, o: Call & { if?: Version }): Promise<Written> {
    check({ type: "delete", key, ...o.requestId === undefined ? {} : { requestId: o.requestId } });
    return await this.#write(key, "request_delete_range", { key: this.#keys.key(key) }, o);
  }

  async list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed> {
    checkPrefix(prefix);
    const isAfter = o.after !== undefined && o.after >= prefix;
    const { kvs = [], more = false, header } = await this.#post<EtcdRange>("/v3/kv/range", {
      key: isAfter ? this.#keys.after(o.after!) : this.#keys.key(prefix),
      range_end: this.#keys.end(prefix),
      limit: String(Math.max(1, Math.min(o.limit, MAX_PAGE))),
    }, o);
    const entries = kvs.map((kv) => toEntry(this.#keys.entry(kv)));
    const last = entries.at(-1)?.key;
    return {
      entries,
      ...more && last !== undefined ? { next: last } : {},
      cursor: header?.revision ?? "0",
    };
  }

  async *watch(prefix: string, o: Call & { from?: string }): AsyncIterable<WatchedChange> {
    checkPrefix(prefix);
    let from = o.from;
    if (from !== undefined && !isRevision(from)) {
      yield { kind: "reset" };
      from = undefined;
    }
    for (let failures = 0;;) {
      let isCompacted = false;
      try {
        for await (const change of this.#watchOnce(prefix, from, o)) {
          failures = 0;
          isCompacted = change === "compacted";
          if (typeof change === "string") continue;
          yield change.seen;
          from = change.revision;
        }
        if (!isCompacted) throw new GatewayError(GRPC.unavailable, "etcd has ended the watch");
      } catch (error) {
        if (!(error instanceof GatewayError) || ++failures >= WATCH_TRIES) throw toMeshError(error);
        if (error.code !== GRPC.unavailable) throw toMeshError(error);
      }
      if (isCompacted) {
        from = (await this.list(prefix, { ...o, limit: 1 })).cursor;
        yield { kind: "reset", ...from === undefined ? {} : { cursor: from } };
        continue;
      }
      await sleep(this.#clock, failures * WATCH_RETRY_MS, o.signal);
      // A token that is not valid any more ends watches without a code: this renews it.
      await this.get("name/any", o).catch((error) => {
        if (!(error instanceof MeshError) || error.reason !== "unavailable") throw error;
      });
    }
  }

  async session(ttlMs: number, o: Call): Promise<Session> {
    const id = this.#leaseId(true);
    check({ type: "grant", session: id, ttlMs });
    const since = this.#clock.now();
    await this.#grant(id, Math.ceil(ttlMs / 1000), o);
    return new HeldSession(id, ttlMs, {
      calls: {
        renew: async (ID, call) => {
          const { result } = await this.#post<{ result?: EtcdLease }>(
            "/v3/lease/keepalive",
            { ID },
            call,
          );
          if (Number(result?.TTL ?? "0") > 0) return;
          throw new MeshError("closed", "The session has ended");
        },
        end: async (ID, call) => {
          try {
            await this.#post("/v3/lease/revoke", { ID }, call);
          } catch (error) {
            if (!isMissingLease(error)) throw error; // it has ended by itself
          }
        },
      },
      clock: this.#clock,
      since,
      closed: this.#closed.signal,
    });
  }

  async acquire(name: string, session: Session, o: Call): Promise<Lease | null> {
    const key = `${LEASES}${name}`;
    check({ type: "delete", key });
    if (session.ended.aborted) throw new MeshError("closed", "The session has ended");
    const at = this.#keys.key(key);
    const txn = await this.#post<EtcdTxn>("/v3/kv/txn", {
      compare: [isAbsent(at)],
      success: [{ request_put: { key: at, lease: session.id } }],
      failure: [{ request_range: { key: at } }],
    }, o);
    const holder = txn.responses?.[0]?.response_range?.kvs?.[0];
    const isOurs = txn.succeeded === true || holder?.lease === session.id;
    if (!isOurs) return null;
    const token = txn.succeeded === true ? txn.header?.revision : holder?.mod_revision;
    return heldLease(this, { key, token: token ?? "0", session, clock: this.#clock });
  }

  async release(name: string, token: Version, o: Call): Promise<boolean> {
    return (await this.delete(`${LEASES}${name}`, { ...o, if: token })).ok;
  }

  async health(): Promise<Health> {
    const { signal } = this.#closed;
    try {
      const { members = [] } = await this.#post<{ members?: unknown[] }>(
        "/v3/cluster/member/list",
        {},
        { signal },
      );
      await this.get("name/any", { signal });
      return { ring: "alone", core: "ok", copies: Math.max(1, members.length) };
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      return { ring: "alone", core: "degraded", copies: 1 };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new MeshError("closed", "The store is closed", { outcome: "unknown" }));
    await this.#gateway[Symbol.asyncDispose]();
  }

  /** Makes a change under the caller's condition, once for each request id. */
  async #write(
    key: string,
    kind: "request_put" | "request_delete_range",
    change: { key: string; lease?: string },
    o: Call & { if?: Version | "absent" },
  ): Promise<Written> {
    const at = change.key;
    const range = { request_range: { key: at } };
    const compare: unknown[] = [];
    const success: unknown[] = [{ [kind]: change }];
    const failure: unknown[] = [range];
    if (o.if === "absent") compare.push(isAbsent(at));
    else if (o.if !== undefined) {
      compare.push(isOfRevision(at, isRevision(o.if) && o.if !== "0" ? o.if : NEVER));
    }
    if (o.requestId !== undefined) {
      const marker = this.#keys.marker(key, o.requestId);
      const lease = await this.#ttlLeases.for(DONE_MS);
      compare.push(isAbsent(marker));
      success.push({ request_put: { key: marker, lease } });
      failure.push({ request_range: { key: marker } });
    }
    const txn = await this.#post<EtcdTxn>("/v3/kv/txn", { compare, success, failure }, o);
    if (txn.succeeded === true) return { ok: true, version: txn.header?.revision ?? "0" };
    const [current, done] = (txn.responses ?? []).map((one) => one.response_range?.kvs?.[0]);
    if (done !== undefined) return { ok: true, version: done.mod_revision ?? "0" };
    return { ok: false, current: current ? toEntry(this.#keys.entry(current)) : null };
  }

  /** One watch, from after `from` on. */
  async *#watchOnce(prefix: string, from: string | undefined, o: Call) {
    using either = eitherSignal(o.signal, this.#closed.signal);
    const messages = this.#gateway.stream("/v3/watch", {
      create_request: {
        key: this.#keys.key(prefix),
        range_end: this.#keys.end(prefix),
        ...from === undefined ? {} : { start_revision: String(BigInt(from) + 1n) },
      },
    }, either);
    for await (const message of messages) {
      const { events = [], canceled, compact_revision } = (message as EtcdWatch).result ?? {};
      if (canceled === true) {
        if (compact_revision !== undefined) yield "compacted" as const;
        return;
      }
      yield "begun" as const;
      for (const [index, { type, kv = {} }] of events.entries()) {
        const entry = this.#keys.entry(kv);
        const isLast = events[index + 1]?.kv?.mod_revision !== entry.revision;
        const cursor = isLast ? { cursor: entry.revision } : {};
        const seen: WatchedChange = type === "DELETE"
          ? { kind: "delete", key: entry.key, ...cursor }
          : { kind: "put", entry: toEntry(entry), ...cursor };
        yield { revision: isLast ? entry.revision : from ?? "0", seen };
      }
    }
  }

  async #grant(ID: string, seconds: number, o: Call): Promise<string> {
    try {
      await this.#post("/v3/lease/grant", { ID, TTL: String(seconds) }, o);
    } catch (error) {
      // Ids are made by chance: the only one who can have it is this very call, made before.
      const cause = error instanceof MeshError ? error.cause : null;
      const isThere = cause instanceof GatewayError && cause.code === GRPC.failedPrecondition;
      if (!isThere) throw error;
    }
    return ID;
  }

  /** A positive 63-bit number; odd for sessions, even for keys with a time to live. */
  #leaseId(isSession: boolean): string {
    const bytes = this.#rng(8);
    const id = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0) >> 2n;
    return String((id << 1n) + (isSession ? 1n : 2n));
  }

  async #post<T extends EtcdHeader | EtcdLease | object>(
    path: string,
    body: unknown,
    { signal }: Call,
  ): Promise<T> {
    this.#closed.signal.throwIfAborted();
    signal.throwIfAborted();
    using either = eitherSignal(signal, this.#closed.signal);
    try {
      return await this.#gateway.post(path, body, either) as T;
    } catch (error) {
      throw toMeshError(error);
    }
  }
}

function toEntry({ key, value, revision }: EtcdEntry): Entry {
  return { key, value, version: revision };
}

function isRevision(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,17})$/.test(text);
}

function isTtlLease(id: string): boolean {
  return id !== "0" && BigInt(id) % 2n === 0n;
}

function isMissingLease(error: unknown): boolean {
  return error instanceof MeshError && error.reason === "closed" &&
    error.cause instanceof GatewayError;
}

const REASONS: Record<number, MeshReason> = {
  [GRPC.invalidArgument]: "limit",
  [GRPC.notFound]: "closed",
  [GRPC.permissionDenied]: "denied",
  [GRPC.resourceExhausted]: "limit",
  [GRPC.unauthenticated]: "denied",
};

function toMeshError(error: unknown): unknown {
  if (!(error instanceof GatewayError)) return error;
  const reason = REASONS[error.code] ?? "unavailable";
  const isUnknown = reason === "unavailable" && !error.isUnsent;
  return new MeshError(reason, `etcd: ${error.message}`, {
    outcome: isUnknown ? "unknown" : "none",
    cause: error,
  });
}

/** @throws {MeshError} as the core refuses it */
function check(write: CoreWrite): void {
  const problem = problemOf(write);
  if (problem?.type === "error") throw new MeshError(problem.reason, problem.message);
}

function checkPrefix(prefix: string): void {
  const problem = prefixProblem(prefix);
  if (problem !== null) throw new MeshError("limit", problem);
}
