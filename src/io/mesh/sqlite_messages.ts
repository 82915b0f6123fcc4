/** One table: its first `keys` columns are the key. No column is null. */
export interface TableSpec {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly keys: number;
}

export type ColumnType = "TEXT" | "BLOB" | "INTEGER";

/** Integers are below 2^53. */
export type SqlValue = string | number | Uint8Array;

/** Tables by their place in the list that the file was opened with. */
export type SqlChange =
  | { table: number; put: SqlValue[] }
  | { table: number; remove: SqlValue[] }
  | { table: number; clear: true };

/** A message to the Worker that has the files open, of which it is about number `file`. */
export type SqliteRequest =
  & { id: number; file: number }
  & (
    | { op: "open"; path: string; tables: readonly TableSpec[]; maxPages?: number }
    /** Rows in the order of their keys, after `after`. */
    | { op: "read"; table: number; after: SqlValue[] | null; limit: number }
    | { op: "commit"; changes: SqlChange[] }
    | { op: "close" }
  );

/** A request without its numbers. */
export type Unnumbered<T> = T extends SqliteRequest ? Omit<T, "id" | "file"> : never;

/** `full`: nothing has changed; `locked`: another process has the file. */
export type SqliteFault = "full" | "damaged" | "locked" | "failed";

export type SqliteAnswer =
  & { id: number }
  & ({ rows: SqlValue[][] } | { fault: SqliteFault; message: string });
