import { DatabaseSync, type StatementSync } from "node:sqlite";
import { isSum, rowSum } from "./row_sum.ts";
import type { SqlChange, SqliteFault, SqlValue, TableSpec } from "./sqlite_messages.ts";

/** A failure of the file, in words. */
export class SqliteFailure extends Error {
  readonly fault: SqliteFault;

  constructor(fault: SqliteFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** SQLite's result codes (sqlite3.h); the low byte of an extended code. */
const CODES: Record<number, SqliteFault> = {
  5: "locked",
  11: "damaged",
  13: "full",
  26: "damaged",
};

/** A file that this process alone has open. Calls take milliseconds: for a Worker. */
export class SqliteTables implements Disposable {
  readonly #db: DatabaseSync;
  readonly #tables: readonly TableSpec[];
  readonly #puts: StatementSync[] = [];
  readonly #removes: StatementSync[] = [];
  readonly #clears: StatementSync[] = [];
  readonly #beginning: StatementSync;
  readonly #end: StatementSync;

  /** @throws {SqliteFailure} */
  constructor(path: string, tables: readonly TableSpec[], maxPages?: number) {
    this.#tables = tables;
    this.#db = translated("failed", () => new DatabaseSync(path));
    try {
      // Exclusive: a second process is refused, and no index of the log is shared by mmap.
      this.#db.exec("PRAGMA locking_mode = EXCLUSIVE");
      this.#beginning = this.#db.prepare("BEGIN IMMEDIATE");
      this.#end = this.#db.prepare("COMMIT");
      translated("failed", () => {
        this.#beginning.run(); // the lock, before anything else: of a failure in `prepare` Deno 2.4 tells no code
        this.#end.run();
      });
      translated("damaged", () => this.#begin(maxPages));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** @throws {SqliteFailure} */
  read(table: number, after: readonly SqlValue[] | null, limit: number): SqlValue[][] {
    const spec = this.#tables[table]!;
    const keys = spec.columns.slice(0, spec.keys).map(({ name }) => name).join(", ");
    const marks = spec.columns.slice(0, spec.keys).map(() => "?").join(", ");
    const where = after === null ? "" : `WHERE (${keys}) > (${marks})`;
    const columns = spec.columns.map(({ name }) => name).join(", ");
    return translated("damaged", () => {
      const statement = this.#db.prepare(
        `SELECT ${columns}, sum FROM ${spec.name} ${where} ORDER BY ${keys} LIMIT ${limit}`,
      );
      statement.setReadBigInts(true); // otherwise a damaged number throws before its sum is compared
      return statement.all(...after ?? []).map((row) => checked(spec, row));
    });
  }

  /** All or nothing, and safe from a loss of power when it returns. @throws {SqliteFailure} */
  commit(changes: readonly SqlChange[]): void {
    translated("failed", () => {
      this.#beginning.run();
      try {
        for (const change of changes) this.#apply(change);
        this.#end.run();
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    });
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #begin(maxPages: number | undefined): void {
    for (const setting of ["journal_mode = WAL", "synchronous = FULL"]) {
      this.#db.prepare(`PRAGMA ${setting}`).all();
    }
    if (maxPages !== undefined) this.#db.prepare(`PRAGMA max_page_count = ${maxPages}`).all();
    const verdict = this.#db.prepare("PRAGMA quick_check(1)").get();
    if (verdict?.quick_check !== "ok") {
      throw new SqliteFailure("damaged", String(verdict?.quick_check));
    }
    for (const spec of this.#tables) {
      const columns = spec.columns.map(({ name, type }) => `${name} ${type} NOT NULL`).join(", ");
      const keys = spec.columns.slice(0, spec.keys).map(({ name }) => name);
      this.#db.prepare(
        `CREATE TABLE IF NOT EXISTS ${spec.name} (${columns}, sum BLOB NOT NULL, ` +
          `PRIMARY KEY (${keys.join(", ")})) STRICT, WITHOUT ROWID`,
      ).run();
      const marks = spec.columns.map(() => "?").join(", ");
      this.#puts.push(
        this.#db.prepare(`INSERT OR REPLACE INTO ${spec.name} VALUES (${marks}, ?)`),
      );
      const where = keys.map((name) => `${name} = ?`).join(" AND ");
      this.#removes.push(this.#db.prepare(`DELETE FROM ${spec.name} WHERE ${where}`));
      this.#clears.push(this.#db.prepare(`DELETE FROM ${spec.name}`));
    }
  }

  #apply(change: SqlChange): void {
    const { name } = this.#tables[change.table]!;
    if ("put" in change) {
      this.#puts[change.table]!.run(...change.put, rowSum(name, change.put));
    } else if ("remove" in change) this.#removes[change.table]!.run(...change.remove);
    else this.#clears[change.table]!.run();
  }

  #rollBack(): void {
    try {
      this.#db.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full.
    }
  }
}

function checked(spec: TableSpec, row: Record<string, unknown>): SqlValue[] {
  const values = spec.columns.map(({ name }) => {
    const value = row[name];
    return typeof value === "bigint" ? Number(value) : value as SqlValue;
  });
  if (isSum(row["sum"], rowSum(spec.name, values))) return values;
  throw new SqliteFailure("damaged", `a row of the table ${spec.name} has another checksum`);
}

/** `otherwise`: the fault of a failure of which Deno tells no code, as it may of `prepare`. */
function translated<T>(otherwise: SqliteFault, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof SqliteFailure) throw error;
    const { code, errcode, message } = error as {
      code?: unknown;
      errcode?: unknown;
      message?: unknown;
    };
    if (code !== "ERR_SQLITE_ERROR") throw error;
    const fault = typeof errcode === "number" ? CODES[errcode & 0xff] ?? "failed" : otherwise;
    throw new SqliteFailure(fault, String(message));
  }
}
