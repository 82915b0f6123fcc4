import type { SqliteAnswer, SqliteRequest, SqlValue } from "./sqlite_messages.ts";
import { SqliteFailure, SqliteTables } from "./sqlite_tables.ts";

/** Functions of a Worker: the types that the code is checked with are those of a window. */
const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<SqliteRequest>) => void;
  postMessage(answer: SqliteAnswer): void;
  close(): void;
};

/** Entry of the Worker that has a SQLite file open: its calls wait for the disk. */
let tables: SqliteTables | null = null;

worker.onmessage = ({ data }) => {
  let answer: SqliteAnswer;
  try {
    answer = { id: data.id, rows: serve(data) };
  } catch (error) {
    const fault = error instanceof SqliteFailure ? error.fault : "failed";
    answer = { id: data.id, fault, message: error instanceof Error ? error.message : `${error}` };
  }
  worker.postMessage(answer);
  if (data.op === "close") worker.close();
};

function serve(request: SqliteRequest): SqlValue[][] {
  switch (request.op) {
    case "open":
      tables = new SqliteTables(request.path, request.tables, request.maxPages);
      return [];
    case "read":
      return tables!.read(request.table, request.after, request.limit);
    case "commit":
      tables!.commit(request.changes);
      return [];
    case "close":
      tables?.[Symbol.dispose]();
      return [];
    default:
      return request satisfies never;
  }
}
