import type { CoreBatch, CoreChange, CoreRow, CoreSession } from "../../../contract/mesh_disk.ts";
import { type CoreTable, sizeOf } from "./core_table.ts";
import { MAX_DONE } from "./limits.ts";

/** Writes on their way to the disk, over what is there; nobody sees them before they are safe. */
export class Staged {
  readonly #table: CoreTable;
  /** null for a key or session that ends. */
  readonly #rows = new Map<string, CoreRow | null>();
  readonly #sessions = new Map<string, CoreSession | null>();
  readonly #done = new Map<string, number>();
  /** Requests whose condition did not hold. */
  readonly refused = new Set<string>();
  readonly #changes: CoreChange[] = [];
  #revision: number;
  #bytes: number;

  constructor(table: CoreTable) {
    this.#table = table;
    this.#revision = table.revision;
    this.#bytes = table.bytes;
  }

  /** False while nothing of it must go to the disk. */
  get hasEffect(): boolean {
    return this.#changes.length > 0 || this.#sessions.size > 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  row(key: string): CoreRow | undefined {
    const staged = this.#rows.get(key);
    return staged === undefined ? this.#table.get(key) : staged ?? undefined;
  }

  hasSession(id: string): boolean {
    const staged = this.#sessions.get(id);
    return staged === undefined ? this.#table.sessions.has(id) : staged !== null;
  }

  get sessionCount(): number {
    return this.#table.sessions.size + this.#sessions.size;
  }

  /** How many keys a session has. */
  keyCount(session: string): number {
    return this.#keysOf(session).length;
  }

  doneAt(id: string): number | undefined {
    return this.#done.get(id) ?? this.#table.done.get(id);
  }

  remember(id: string, rev: number): void {
    this.#done.set(id, rev);
  }

  /** Begins the changes of one command. Returns its revision. */
  nextRevision(): number {
    return ++this.#revision;
  }

  put(row: CoreRow): void {
    const old = this.row(row.key);
    this.#bytes += sizeOf(row) - (old === undefined ? 0 : sizeOf(old));
    this.#rows.set(row.key, row);
    this.#changes.push({ rev: row.rev, key: row.key, row });
  }

  delete(key: string, rev: number): void {
    const old = this.row(key);
    if (old === undefined) return;
    this.#bytes -= sizeOf(old);
    this.#rows.set(key, null);
    this.#changes.push({ rev, key, row: null });
  }

  addSession(session: CoreSession): void {
    this.#sessions.set(session.id, session);
  }

  /** Ends a session with the keys that it has. */
  endSession(id: string): void {
    const keys = this.#keysOf(id);
    this.#sessions.set(id, null);
    if (keys.length === 0) return;
    const rev = this.nextRevision();
    for (const key of keys) this.delete(key, rev);
  }

  batch(): Omit<CoreBatch, "forgottenChanges" | "floor"> {
    const ids = [...this.#sessions];
    return {
      revision: this.#revision,
      rows: [...this.#rows.values()].filter((row) => row !== null),
      deleted: [...this.#rows].filter(([, row]) => row === null).map(([key]) => key),
      sessions: ids.map(([, session]) => session).filter((session) => session !== null),
      endedSessions: ids.filter(([, session]) => session === null).map(([id]) => id),
      done: [...this.#done].map(([id, rev]) => ({ id, rev })),
      forgotten: this.#forgotten(),
      changes: this.#changes,
    };
  }

  #forgotten(): string[] {
    const ids: string[] = [];
    const surplus = this.#table.done.size + this.#done.size - MAX_DONE;
    if (surplus <= 0) return ids;
    for (const id of this.#table.done.keys()) {
      ids.push(id);
      if (ids.length === surplus) break;
    }
    return ids;
  }

  #keysOf(id: string): string[] {
    const keys = new Set(this.#table.sessions.get(id)?.keys);
    for (const key of this.#rows.keys()) keys.add(key);
    return [...keys].filter((key) => this.row(key)?.session === id).sort();
  }
}
