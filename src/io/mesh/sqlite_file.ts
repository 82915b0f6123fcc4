import { TtunError } from "../../base/errors.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import type {
  SqlChange,
  SqliteFault,
  SqliteRequest,
  SqlValue,
  TableSpec,
  Unnumbered,
} from "./sqlite_messages.ts";
import { SqliteThread, type ThreadPlace } from "./sqlite_thread.ts";

/** Changes of one commit, where several wait. */
const MAX_GROUP = 256;
/** Rows of one answer. */
const PAGE = 512;

interface Commit {
  changes: SqlChange[];
  resolve(): void;
  reject(error: unknown): void;
}

/** The file is damaged: whoever opened it knows what is to be done. */
export class DamagedFile extends TtunError {
  constructor(path: string, message: string) {
    super("system", `The file ${path} is damaged: ${message}`);
  }
}

/** A SQLite file in a Worker. Commits that wait for the disk go together in the next. */
export class SqliteFile implements AsyncDisposable {
  readonly #path: string;
  readonly #thread: ThreadPlace;
  /** Rejects the requests that are not answered yet. */
  readonly #asked = new Set<(error: Error) => void>();
  readonly #waiting: Commit[] = [];
  #isCommitting = false;
  #ended: Error | null = null;

  private constructor(path: string, isAlone: boolean | undefined) {
    this.#path = path;
    this.#thread = SqliteThread.join((error) => this.#end(error), { isAlone });
  }

  /**
   * Opens or makes a file that nobody but its owner may read. `maxPages` limits its size, for tests.
   * `isAlone`: others of this process do not wait for it.
   * @throws {DamagedFile}; {TtunError} in_use, system
   */
  static async open(
    path: string,
    tables: readonly TableSpec[],
    o: { maxPages?: number | undefined; isAlone?: boolean | undefined } = {},
  ): Promise<SqliteFile> {
    const file = new SqliteFile(path, o.isAlone);
    try {
      // SQLite gives its log the rights of the file.
      (await Deno.open(path, { create: true, read: true, write: true, mode: 0o600 })).close();
      const { maxPages } = o;
      await file.#ask({
        op: "open",
        path,
        tables,
        ...(maxPages === undefined ? {} : { maxPages }),
      });
      return file;
    } catch (error) {
      await file[Symbol.asyncDispose]();
      if (error instanceof TtunError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new TtunError("system", `Cannot open ${path}: ${message}`, { cause: error });
    }
  }

  /** @throws {DamagedFile} */
  async readAll(table: number, keys: number): Promise<SqlValue[][]> {
    const all: SqlValue[][] = [];
    for (;;) {
      const after = all.at(-1)?.slice(0, keys) ?? null;
      const rows = await this.#ask({ op: "read", table, after, limit: PAGE });
      for (const row of rows) all.push(row);
      if (rows.length < PAGE) return all;
    }
  }

  /** All or nothing. @throws {MeshError} `limit`; {TtunError} where the disk fails */
  commit(changes: SqlChange[]): Promise<void> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (changes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, resolve, reject });
      // Never rejects: each commit's own promise does.
      if (!this.#isCommitting) void this.#commitAll();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended !== null) return;
    const closed = this.#ask({ op: "close" });
    this.#ended = new MeshError("closed", `The file ${this.#path} is closed`);
    await closed.catch(() => {}); // it is given up in any case
    this.#end(this.#ended);
  }

  async #commitAll(): Promise<void> {
    this.#isCommitting = true;
    while (this.#waiting.length > 0) {
      const group: Commit[] = [];
      let count = 0;
      do {
        const next = this.#waiting.shift()!;
        group.push(next);
        count += next.changes.length;
      } while (this.#waiting.length > 0 && count + this.#waiting[0]!.changes.length <= MAX_GROUP);
      try {
        await this.#ask({ op: "commit", changes: group.flatMap(({ changes }) => changes) });
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#isCommitting = false;
  }

  #ask(request: Unnumbered<SqliteRequest>): Promise<SqlValue[][]> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#asked.add(reject);
      this.#thread.ask(request, (answer) => {
        this.#asked.delete(reject);
        if ("rows" in answer) resolve(answer.rows);
        else reject(this.#error(answer.fault, answer.message));
      });
    });
  }

  #end(error: Error): void {
    this.#ended = error;
    this.#thread.leave();
    for (const reject of this.#asked) reject(error);
    this.#asked.clear();
  }

  #error(fault: SqliteFault, message: string): TtunError {
    switch (fault) {
      case "full":
        return new MeshError("limit", `There is no room for ${this.#path}: make room on its disk`);
      case "damaged":
        return new DamagedFile(this.#path, message);
      case "locked":
        return new TtunError("in_use", `Another process has ${this.#path} open: end it first`);
      case "failed":
        return new TtunError("system", `The disk of ${this.#path} has failed: ${message}`);
      default:
        return fault satisfies never;
    }
  }
}
