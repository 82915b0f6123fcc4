import { TtunError } from "../../base/errors.ts";
import type { SqliteAnswer, SqliteRequest, Unnumbered } from "./sqlite_messages.ts";

interface Asked {
  readonly file: number;
  answer(answer: SqliteAnswer): void;
}

/** A file's part in the thread. */
export interface ThreadPlace {
  /** `answer` gets the answer, unless the place is given up before. */
  ask(request: Unnumbered<SqliteRequest>, answer: (answer: SqliteAnswer) => void): void;
  /** Gives the place up. The thread ends with the last one. */
  leave(): void;
}

/**
 * The Worker in which SQLite waits for the disk. All files of a process share it: a Worker takes 12 MB,
 * and most often they are on one disk, which makes one commit after the other durable.
 */
export class SqliteThread {
  static #shared: SqliteThread | null = null;
  readonly #worker: Worker;
  readonly #asked = new Map<number, Asked>();
  /** Files that have it, and what is to be done when it fails. */
  readonly #places = new Map<number, (error: TtunError) => void>();
  #lastFile = 0;
  #lastId = 0;

  private constructor() {
    this.#worker = new Worker(new URL("./sqlite_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<SqliteAnswer>) => {
      const asked = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      asked?.answer(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(new TtunError("internal", `The thread of SQLite has failed: ${event.message}`));
    };
  }

  /**
   * `onFailure`: the thread has failed, and answers nothing any more. `isAlone`: the file gets a thread
   * of its own, as it takes so long that others must not wait for it.
   */
  static join(
    onFailure: (error: TtunError) => void,
    { isAlone = false }: { isAlone?: boolean | undefined } = {},
  ): ThreadPlace {
    if (isAlone) return new SqliteThread().#place(onFailure);
    this.#shared ??= new SqliteThread();
    return this.#shared.#place(onFailure);
  }

  #place(onFailure: (error: TtunError) => void): ThreadPlace {
    const file = ++this.#lastFile;
    this.#places.set(file, onFailure);
    return {
      ask: (request, answer) => {
        const id = ++this.#lastId;
        this.#asked.set(id, { file, answer });
        this.#worker.postMessage({ ...request, id, file } as SqliteRequest);
      },
      leave: () => this.#leave(file),
    };
  }

  #leave(file: number): void {
    if (!this.#places.delete(file)) return;
    for (const [id, asked] of this.#asked) if (asked.file === file) this.#asked.delete(id);
    if (this.#places.size === 0) this.#end();
  }

  #fail(error: TtunError): void {
    const tell = [...this.#places.values()];
    this.#places.clear();
    this.#asked.clear();
    this.#end();
    for (const run of tell) run(error);
  }

  #end(): void {
    this.#worker.terminate();
    if (SqliteThread.#shared === this) SqliteThread.#shared = null;
  }
}
