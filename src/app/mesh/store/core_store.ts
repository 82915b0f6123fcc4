import { abortable } from "../../../base/scope.ts";
import { toHex } from "../../../base/bytes.ts";
import type { Clock, Rng } from "../../../contract/host.ts";
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
import { MAX_PAGE, MAX_VALUE, prefixProblem } from "../../../core/mesh/core/limits.ts";
import {
  ABSENT,
  type CoreAnswer,
  type CoreEntry,
  type CoreRequest,
} from "../../../core/mesh/core/request.ts";
import type { CoreClient } from "./core_client.ts";
import { eitherSignal } from "./either_signal.ts";
import { heldLease } from "./held_lease.ts";
import { HeldSession } from "./held_session.ts";

/** A condition that no revision meets. */
const NEVER = -1;

export const LEASES = "lease/";

/** The store that a core is, in this process or at another node. */
export class CoreStore implements MeshStore {
  readonly #client: CoreClient;
  readonly #clock: Clock;
  readonly #rng: Rng;
  readonly #health: () => Health;
  readonly #owned: AsyncDisposable | null;
  readonly #closed = new AbortController();

  /** `health` tells how the core is seen from here; `owned` is disposed of with the store. */
  constructor(
    client: CoreClient,
    o: { clock: Clock; rng: Rng; health: () => Health; owned?: AsyncDisposable },
  ) {
    this.#client = client;
    this.#owned = o.owned ?? null;
    this.#clock = o.clock;
    this.#rng = o.rng;
    this.#health = o.health;
  }

  capabilities(_key: string): Capabilities {
    return { cas: true, watch: "ordered", maxValue: MAX_VALUE };
  }

  async get(key: string, o: Call & { stale?: boolean }): Promise<Entry | null> {
    const { entry } = await this.#ask({ type: "get", key }, "entry", o);
    return entry === null ? null : toEntry(entry);
  }

  async put(
    key: string,
    value: Uint8Array,
    o: Call & { if?: Version | "absent"; ttlMs?: number; session?: Session },
  ): Promise<Written> {
    if (o.session?.ended.aborted) throw new MeshError("closed", "The session has ended");
    return written(
      await this.#call({
        type: "put",
        key,
        value,
        ...(o.if === undefined ? {} : { if: o.if === "absent" ? ABSENT : conditionOf(o.if) }),
        ...(o.ttlMs === undefined ? {} : { ttlMs: o.ttlMs }),
        ...(o.session === undefined ? {} : { session: o.session.id }),
        ...(o.requestId === undefined ? {} : { requestId: o.requestId }),
      }, o),
    );
  }

  async delete(key: string, o: Call & { if?: Version }): Promise<Written> {
    return written(
      await this.#call({
        type: "delete",
        key,
        ...(o.if === undefined ? {} : { if: conditionOf(o.if) }),
        ...(o.requestId === undefined ? {} : { requestId: o.requestId }),
      }, o),
    );
  }

  async list(prefix: string, o: Call & { after?: string; limit: number }): Promise<Listed> {
    const page = await this.#ask(
      {
        type: "list",
        prefix,
        limit: Math.min(o.limit, MAX_PAGE),
        ...(o.after === undefined ? {} : { after: o.after }),
      },
      "page",
      o,
    );
    const entries = page.entries.map(toEntry);
    const last = entries.at(-1)?.key;
    return {
      entries,
      ...(page.more && last !== undefined ? { next: last } : {}),
      cursor: String(page.cursor),
    };
  }

  async *watch(prefix: string, o: Call & { from?: string }): AsyncIterable<WatchedChange> {
    const problem = prefixProblem(prefix);
    if (problem !== null) throw new MeshError("limit", problem);
    let from = o.from === undefined
      ? (await this.#ask({ type: "info" }, "info", o)).revision
      : cursorOf(o.from);
    for (;;) {
      const answer = await this.#call({ type: "changes", prefix, from }, o);
      if (answer.type === "reset") {
        yield { kind: "reset", cursor: String(answer.cursor) };
        from = answer.cursor;
        continue;
      }
      const { changes, cursor } = expect(answer, "changes");
      for (const [index, { rev, key, entry }] of changes.entries()) {
        // Only the last change of a command has a cursor: a watch from there has missed none.
        const end = changes[index + 1]?.rev === rev ? {} : { cursor: String(rev) };
        if (entry === null) yield { kind: "delete", key, ...end };
        else yield { kind: "put", entry: toEntry(entry), ...end };
      }
      from = cursor;
    }
  }

  async session(ttlMs: number, o: Call): Promise<Session> {
    const id = toHex(this.#rng(16));
    const since = this.#clock.now();
    await this.#ask({ type: "grant", session: id, ttlMs }, "done", o);
    return new HeldSession(id, ttlMs, {
      calls: {
        renew: async (session, call) => {
          await this.#ask({ type: "renew", session }, "done", call);
        },
        end: async (session, call) => {
          await this.#ask({ type: "end", session }, "done", call);
        },
      },
      clock: this.#clock,
      since,
      closed: this.#closed.signal,
    });
  }

  async acquire(name: string, session: Session, o: Call): Promise<Lease | null> {
    const key = `${LEASES}${name}`;
    if (session.ended.aborted) throw new MeshError("closed", "The session has ended");
    const answer = await this.#call({
      type: "put",
      key,
      value: new Uint8Array(),
      if: ABSENT,
      session: session.id,
    }, o);
    if (answer.type === "written") return this.#lease(key, answer.rev, session);
    const { current } = expect(answer, "unmet");
    if (current === null || current.session !== session.id) return null;
    return this.#lease(key, current.rev, session);
  }

  async release(name: string, token: Version, o: Call): Promise<boolean> {
    return (await this.delete(`${LEASES}${name}`, { ...o, if: token })).ok;
  }

  health(): Promise<Health> {
    return Promise.resolve(this.#health());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new MeshError("closed", "The store is closed", { outcome: "unknown" }));
    await this.#owned?.[Symbol.asyncDispose]();
  }

  #lease(key: string, rev: number, session: Session): Lease {
    return heldLease(this, { key, token: String(rev), session, clock: this.#clock });
  }

  async #ask<T extends CoreAnswer["type"]>(request: CoreRequest, type: T, o: Call) {
    return expect(await this.#call(request, o), type);
  }

  async #call(request: CoreRequest, { signal }: Call): Promise<CoreAnswer> {
    this.#closed.signal.throwIfAborted();
    using either = eitherSignal(signal, this.#closed.signal);
    const answer = await abortable(
      this.#client.call(request, { signal: either.signal }),
      either.signal,
    );
    if (answer.type !== "error") return answer;
    const { reason, message, outcome } = answer;
    throw new MeshError(reason, message, { outcome });
  }
}

function expect<T extends CoreAnswer["type"]>(answer: CoreAnswer, type: T) {
  if (answer.type !== type) {
    throw new MeshError("unavailable", `The core has answered another question: ${answer.type}`, {
      outcome: "unknown",
    });
  }
  return answer as Extract<CoreAnswer, { type: T }>;
}

function written(answer: CoreAnswer): Written {
  if (answer.type === "written") return { ok: true, version: String(answer.rev) };
  const { current } = expect(answer, "unmet");
  return { ok: false, current: current === null ? null : toEntry(current) };
}

function toEntry({ key, value, rev, expiresInMs }: CoreEntry): Entry {
  const entry: Entry = { key, value, version: String(rev) };
  if (expiresInMs > 0) entry.expiresInMs = expiresInMs;
  return entry;
}

/** The revision that a version stands for; a text that is no version matches none. */
function conditionOf(version: Version): number {
  return /^[1-9][0-9]{0,15}$/.test(version) ? Number(version) : NEVER;
}

/** A cursor that is none of ours is one of which everything is forgotten. */
function cursorOf(cursor: string): number {
  return cursor === "0" ? 0 : conditionOf(cursor);
}
