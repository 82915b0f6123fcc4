import type { SqliteAnswer, SqliteRequest, SqlValue } from "./sqlite_messages.ts";
import { SqliteFailure, SqliteTables } from "./sqlite_tables.ts";

/** Functions of a Worker: the types that the code is checked with are those of a window. */
const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<SqliteRequest>) => void;
  postMessage(answer: SqliteAnswer): void;
};

/** Entry of the Worker that has SQLite files open, by their numbers: its calls wait for the disk. */
const files = new Map<number, SqliteTables>();

worker.onmessage = ({ data }) => {
  let answer: SqliteAnswer;
  try {
    answer = { id: data.id, rows: serve(data) };
  } catch (error) {
    const fault = error instanceof SqliteFailure ? error.fault : "failed";
    answer = { id: data.id, fault, message: error instanceof Error ? error.message : `${error}` };
  }
  worker.postMessage(answer);
};

function serve(request: SqliteRequest): SqlValue[][] {
  const { file } = request;
  switch (request.op) {
    case "open":
      files.set(file, new SqliteTables(request.path, request.tables, request.maxPages));
      return [];
    case "read":
      return files.get(file)!.read(request.table, request.after, request.limit);
    case "commit":
      files.get(file)!.commit(request.changes);
      return [];
    case "close":
      files.get(file)?.[Symbol.dispose]();
      files.delete(file);
      return [];
    default:
      return request satisfies never;
  }
}
