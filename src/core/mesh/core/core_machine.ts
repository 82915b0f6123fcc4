import type {
  CoreBatch,
  CoreChange,
  CoreChanges,
  CoreRow,
  CoreState,
} from "../../../contract/mesh_disk.ts";
import { ChangeLog } from "./change_log.ts";
import { CoreTable, sizeOf } from "./core_table.ts";
import { Deadlines } from "./deadlines.ts";
import {
  MAX_BYTES,
  MAX_COMMIT,
  MAX_DONE,
  MAX_PAGE,
  MAX_SESSION_KEYS,
  MAX_SESSIONS,
  MAX_WAITING,
  PAGE_BYTES,
  prefixProblem,
} from "./limits.ts";
import { ABSENT, type CoreAnswer, type CoreEntry, type CoreRequest, entryOf } from "./request.ts";
import { Staged } from "./staged.ts";
import { type CoreWrite, failed, problemOf } from "./write_problem.ts";

export type CoreStep =
  /** `stored` with the token answers it. There is one at a time. */
  | { type: "store"; batch: CoreBatch; token: number }
  | { type: "reply"; id: number; answer: CoreAnswer }
  /** These are new, up to this revision. */
  | { type: "changed"; revision: number; changes: readonly CoreChange[] };

/** A write in its turn; those that the core makes by itself have nobody to answer. */
interface Turn {
  id: number | null;
  request: CoreWrite | { type: "expire"; name: string };
}

interface Storing {
  token: number;
  staged: Staged;
  batch: CoreBatch;
  turns: Turn[];
  replies: { id: number; answer: CoreAnswer }[];
}

/** Milliseconds after which what has expired is tried again, where the disk had no room. */
const RETRY_MS = 1_000;

/**
 * The core of one: keys with revisions, sessions, and what has changed. Writes are answered once
 * they are safe on the disk, many by one commit; reads see nothing before that, so they wait for
 * nothing. Times are those of a monotonic clock.
 */
export class CoreMachine {
  readonly #epoch: number;
  readonly #table: CoreTable;
  readonly #log: ChangeLog;
  /** Of keys and sessions, whose names begin with a letter that says which. */
  readonly #deadlines = new Deadlines();
  /** Requests whose condition did not hold, oldest first: repeated, they have no effect either. */
  readonly #refused = new Set<string>();
  readonly #waiting: Turn[] = [];
  #storing: Storing | null = null;
  #token = 0;
  #frozen: string | null = null;

  /** `areChangesLater`: those of the state come by `complete`. */
  constructor(state: CoreState, nowMs: number, { areChangesLater = false } = {}) {
    this.#epoch = state.epoch;
    this.#table = new CoreTable(state, nowMs);
    this.#log = new ChangeLog(state, areChangesLater ? state.revision : null);
    this.#setDeadlines(state, nowMs);
  }

  get revision(): number {
    return this.#table.revision;
  }

  /** Counts of what it has. */
  figures() {
    const { revision, size: keys, bytes, sessions } = this.#table;
    return { epoch: this.#epoch, revision, keys, bytes, sessions: sessions.size };
  }

  /** True while no write is on its way. */
  get isQuiet(): boolean {
    return this.#storing === null && this.#waiting.length === 0;
  }

  /** Refuses all writes from now on, for the reason, or takes them again. */
  freeze(reason: string | null): void {
    this.#frozen = reason;
  }

  /** True while changes after `from` are still to come. */
  lacks(from: number): boolean {
    return this.#log.lacks(from);
  }

  /** Takes the changes that the state did not have yet. */
  complete(changes: CoreChanges): void {
    this.#log.complete(changes);
  }

  /** Without changes, while some are still to come. */
  snapshot(): CoreState {
    const { revision } = this;
    const isWhole = !this.#log.lacks(this.#log.floor);
    const { floor, changes } = isWhole
      ? { floor: this.#log.floor, changes: this.#log.all() }
      : { floor: revision, changes: [] };
    return { ...this.#table.snapshot(this.#epoch), changes, floor };
  }

  /** `id` names the request in its reply. */
  feed(id: number, request: CoreRequest, nowMs: number): CoreStep[] {
    switch (request.type) {
      case "put":
      case "delete":
      case "grant":
      case "end":
        return this.#write({ id, request }, nowMs);
      default:
        return [{ type: "reply", id, answer: this.#read(request, nowMs) }];
    }
  }

  /** When `tick` has something to do; Infinity: nothing. */
  due(): number {
    return this.#frozen === null ? this.#deadlines.next : Infinity;
  }

  tick(nowMs: number): CoreStep[] {
    if (this.#frozen !== null) return [];
    for (;;) {
      const name = this.#deadlines.takeDue(nowMs);
      if (name === undefined) return this.#run(nowMs);
      const until = this.#untilOf(name);
      if (until === undefined) continue;
      if (until > nowMs) this.#deadlines.set(name, until);
      else this.#waiting.push({ id: null, request: { type: "expire", name } });
    }
  }

  /** A batch is safe; or `failure`: there was no room for it, and nothing has changed. */
  stored(token: number, nowMs: number, failure?: "limit"): CoreStep[] {
    const storing = this.#storing;
    if (storing === null || storing.token !== token) return [];
    this.#storing = null;
    if (failure !== undefined) return [...this.#refuseAll(storing, nowMs), ...this.#run(nowMs)];
    const before = this.#table.revision;
    const { batch, staged } = storing;
    this.#table.apply(batch, nowMs);
    this.#log.forgotten(batch.forgottenChanges.length);
    for (const change of batch.changes) this.#log.add(change);
    this.#setDeadlines(batch, nowMs);
    this.#remember(staged.refused);
    const steps: CoreStep[] = storing.replies.map((reply) => ({ type: "reply", ...reply }));
    const { revision, changes } = batch;
    if (revision > before) steps.push({ type: "changed", revision, changes });
    return [...steps, ...this.#run(nowMs)];
  }

  #write(turn: Turn & { id: number; request: CoreWrite }, nowMs: number): CoreStep[] {
    const refusal = this.#frozen !== null
      ? failed("unavailable", this.#frozen)
      : this.#waiting.length >= MAX_WAITING
      ? failed("limit", "The core has too many writes waiting: try again")
      : problemOf(turn.request);
    if (refusal !== null) return [{ type: "reply", id: turn.id, answer: refusal }];
    this.#waiting.push(turn);
    return this.#run(nowMs);
  }

  #run(nowMs: number): CoreStep[] {
    const steps: CoreStep[] = [];
    while (this.#storing === null && this.#waiting.length > 0) {
      const turns = this.#waiting.splice(0, MAX_COMMIT);
      const staged = new Staged(this.#table);
      const replies: { id: number; answer: CoreAnswer }[] = [];
      for (const turn of turns) {
        const answer = this.#apply(turn, staged, nowMs);
        if (turn.id !== null) replies.push({ id: turn.id, answer });
      }
      if (staged.hasEffect) {
        const batch = {
          ...staged.batch(),
          forgottenChanges: this.#log.toForget(),
          floor: this.#log.floor,
        };
        this.#storing = { token: ++this.#token, staged, batch, turns, replies };
        steps.push({ type: "store", batch, token: this.#token });
      } else {
        this.#remember(staged.refused);
        for (const reply of replies) steps.push({ type: "reply", ...reply });
      }
    }
    return steps;
  }

  #apply({ request }: Turn, staged: Staged, nowMs: number): CoreAnswer {
    switch (request.type) {
      case "put":
      case "delete":
        return this.#applyOnce(request, staged, nowMs);
      case "grant":
        return grant(request, staged);
      case "end":
        if (staged.hasSession(request.session)) staged.endSession(request.session);
        return { type: "done" };
      case "expire":
        this.#expire(request.name, staged, nowMs);
        return { type: "done" };
      default:
        return request satisfies never;
    }
  }

  /** Ends what has not been renewed or written again meanwhile. */
  #expire(name: string, staged: Staged, nowMs: number): void {
    const until = this.#untilOf(name);
    if (until === undefined) return;
    if (until > nowMs) return this.#deadlines.set(name, until);
    const id = name.slice(1);
    if (name.startsWith("s")) {
      if (staged.hasSession(id)) staged.endSession(id);
    } else if (staged.row(id) === this.#table.get(id)) {
      staged.delete(id, staged.nextRevision());
    }
  }

  #applyOnce(
    request: Extract<CoreWrite, { type: "put" | "delete" }>,
    staged: Staged,
    nowMs: number,
  ): CoreAnswer {
    const id = request.requestId === undefined ? null : `${request.key} ${request.requestId}`;
    const before = id === null ? undefined : staged.doneAt(id);
    if (before !== undefined) return { type: "written", rev: before };
    const wasRefused = id !== null && (this.#refused.has(id) || staged.refused.has(id));
    const row = staged.row(request.key);
    const isMet = request.if === undefined || request.if === (row?.rev ?? ABSENT);
    if (wasRefused || !isMet) {
      if (id !== null) staged.refused.add(id);
      return { type: "unmet", current: row === undefined ? null : this.#entry(row, nowMs) };
    }
    const answer = request.type === "put"
      ? this.#put(request, row, staged, nowMs)
      : remove(request.key, row, staged, this.#table.revision);
    if (id !== null && answer.type === "written") staged.remember(id, answer.rev);
    return answer;
  }

  #put(
    request: Extract<CoreWrite, { type: "put" }>,
    old: CoreRow | undefined,
    staged: Staged,
    nowMs: number,
  ): CoreAnswer {
    const { key, value, session = "", ttlMs = 0 } = request;
    if (session !== "" && !this.#lives(session, staged, nowMs)) {
      return failed("closed", "The session has ended");
    }
    const isNewThere = session !== "" && old?.session !== session;
    if (isNewThere && staged.keyCount(session) >= MAX_SESSION_KEYS) {
      return failed("limit", `A session has at most ${MAX_SESSION_KEYS} keys`);
    }
    if (staged.bytes + value.length > MAX_BYTES) {
      return failed("limit", `The core holds ${MAX_BYTES >> 20} MiB, and is full`);
    }
    const rev = staged.nextRevision();
    staged.put({ key, value, rev, created: old?.created ?? rev, session, ttlMs });
    return { type: "written", rev };
  }

  #lives(session: string, staged: Staged, nowMs: number): boolean {
    const live = this.#table.sessions.get(session);
    return staged.hasSession(session) && (live === undefined || live.until > nowMs);
  }

  #read(
    request: Exclude<CoreRequest, CoreWrite>,
    nowMs: number,
  ): CoreAnswer {
    switch (request.type) {
      case "get": {
        const row = this.#table.get(request.key);
        return { type: "entry", entry: row === undefined ? null : this.#entry(row, nowMs) };
      }
      case "list":
        return this.#list(request, nowMs);
      case "changes":
        return this.#changes(request, nowMs);
      case "renew":
        return this.#renew(request.session, nowMs);
      case "info":
        return { type: "info", ...this.figures() };
      default:
        return request satisfies never;
    }
  }

  #list(request: Extract<CoreRequest, { type: "list" }>, nowMs: number): CoreAnswer {
    const problem = prefixProblem(request.prefix);
    if (problem !== null) return failed("limit", problem);
    const limit = Math.max(1, Math.min(request.limit, MAX_PAGE));
    const entries: CoreEntry[] = [];
    let bytes = 0;
    const rows = this.#table.range(request.prefix, request.after, limit + 1);
    for (const row of rows.slice(0, limit)) {
      if (entries.length > 0 && bytes + sizeOf(row) > PAGE_BYTES) break;
      bytes += sizeOf(row);
      entries.push(this.#entry(row, nowMs));
    }
    const more = entries.length < rows.length;
    return { type: "page", entries, more, cursor: this.#table.revision };
  }

  #changes({ prefix, from }: Extract<CoreRequest, { type: "changes" }>, nowMs: number): CoreAnswer {
    const found = from > this.#table.revision
      ? null
      : this.#log.since(from, prefix, MAX_PAGE, PAGE_BYTES);
    if (found === null) return { type: "reset", cursor: this.#table.revision };
    const changes = found.changes.map(({ rev, key, row }) => ({
      rev,
      key,
      entry: row === null ? null : this.#entry(row, nowMs),
    }));
    return { type: "changes", changes, cursor: found.upTo };
  }

  #renew(id: string, nowMs: number): CoreAnswer {
    const session = this.#table.sessions.get(id);
    const isEnding = this.#storing?.staged.hasSession(id) === false;
    if (session === undefined || isEnding || session.until <= nowMs) {
      return failed("closed", "The session has ended");
    }
    session.until = nowMs + session.ttlMs;
    return { type: "done" };
  }

  #entry(row: CoreRow, nowMs: number): CoreEntry {
    if (row.ttlMs === 0) return entryOf(row, 0);
    const isCurrent = this.#table.get(row.key) === row;
    const until = isCurrent ? this.#table.untilOf(row.key)! : nowMs + row.ttlMs;
    return entryOf(row, Math.max(1, Math.ceil(until - nowMs)));
  }

  #untilOf(name: string): number | undefined {
    const id = name.slice(1);
    return name.startsWith("k") ? this.#table.untilOf(id) : this.#table.sessions.get(id)?.until;
  }

  #setDeadlines({ sessions, rows }: CoreState | CoreBatch, nowMs: number): void {
    for (const { id, ttlMs } of sessions) this.#deadlines.set(`s${id}`, nowMs + ttlMs);
    for (const { key, ttlMs } of rows) {
      if (ttlMs > 0) this.#deadlines.set(`k${key}`, nowMs + ttlMs);
    }
  }

  #remember(refused: Iterable<string>): void {
    for (const id of refused) this.#refused.add(id);
    for (const id of this.#refused) {
      if (this.#refused.size <= MAX_DONE) return;
      this.#refused.delete(id);
    }
  }

  #refuseAll({ turns }: Storing, nowMs: number): CoreStep[] {
    const steps: CoreStep[] = [];
    const answer = failed("limit", "The disk of the core is full: make room there");
    for (const { id, request } of turns) {
      if (id !== null) steps.push({ type: "reply", id, answer });
      else if (request.type === "expire") this.#deadlines.set(request.name, nowMs + RETRY_MS);
    }
    return steps;
  }
}

function grant(request: Extract<CoreWrite, { type: "grant" }>, staged: Staged): CoreAnswer {
  const { session: id, ttlMs } = request;
  if (staged.hasSession(id)) return { type: "done" };
  if (staged.sessionCount >= MAX_SESSIONS) {
    return failed("limit", `The core has ${MAX_SESSIONS} sessions, and takes no more`);
  }
  staged.addSession({ id, ttlMs });
  return { type: "done" };
}

function remove(
  key: string,
  row: CoreRow | undefined,
  staged: Staged,
  revision: number,
): CoreAnswer {
  if (row === undefined) return { type: "written", rev: revision };
  const rev = staged.nextRevision();
  staged.delete(key, rev);
  return { type: "written", rev };
}
