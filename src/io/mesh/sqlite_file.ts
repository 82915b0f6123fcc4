import { TtunError } from "../../base/errors.ts";
import { MeshError } from "../../contract/mesh_store.ts";
import type {
  SqlChange,
  SqliteAnswer,
  SqliteFault,
  SqliteRequest,
  SqlValue,
  TableSpec,
} from "./sqlite_messages.ts";

/** Changes of one commit, where several wait. */
const MAX_GROUP = 256;
/** Rows of one answer. */
const PAGE = 512;

type Unnumbered<T> = T extends { id: number } ? Omit<T, "id"> : never;

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

/** A SQLite file in a Worker of its own. Commits that wait for the disk go together in the next. */
export class SqliteFile implements AsyncDisposable {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #asked = new Map<
    number,
    { resolve(rows: SqlValue[][]): void; reject(error: unknown): void }
  >();
  readonly #waiting: Commit[] = [];
  #isCommitting = false;
  #lastId = 0;
  #ended: Error | null = null;

  private constructor(path: string) {
    this.#path = path;
    this.#worker = new Worker(new URL("./sqlite_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<SqliteAnswer>) => {
      const asked = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      if ("rows" in data) asked?.resolve(data.rows);
      else asked?.reject(this.#error(data.fault, data.message));
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(new TtunError("internal", `The thread of ${path} has failed: ${event.message}`));
    };
  }

  /**
   * Opens or makes a file that nobody but its owner may read. `maxPages` limits its size, for tests.
   * @throws {DamagedFile}; {TtunError} in_use, system
   */
  static async open(
    path: string,
    tables: readonly TableSpec[],
    o: { maxPages?: number | undefined } = {},
  ): Promise<SqliteFile> {
    const file = new SqliteFile(path);
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
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id } satisfies SqliteRequest);
    });
  }

  #end(error: Error): void {
    this.#ended = error;
    this.#worker.terminate();
    for (const { reject } of this.#asked.values()) reject(error);
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
