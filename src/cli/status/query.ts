import { concat } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import {
  LONGEST_ANSWER,
  packRequest,
  parseAnswer,
  type WrittenRequest,
} from "../../core/status/messages.ts";
import type { StatusReport } from "../../core/status/report.ts";
import { allFolders } from "./folders.ts";
import { socketPath, SUFFIX } from "./place.ts";

/** Milliseconds for an answer. */
const PATIENCE_MS = 5000;

const CHUNK = 64 * 1024;

/** Returns the paths of sockets, of all names or of one; some may be left behind. */
export function findSockets(name?: string): string[] {
  return allFolders().flatMap((folder) =>
    namesIn(folder)
      .filter((found) => name === undefined || found === name)
      .map((found) => socketPath(folder, found))
  );
}

function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder))
      .filter((entry) => entry.name.endsWith(SUFFIX) && !entry.isFile && !entry.isDirectory)
      .map((entry) => entry.name.slice(0, -SUFFIX.length))
      .sort();
  } catch {
    return []; // nothing has run yet, or nobody may look
  }
}

/**
 * Sends a program a request, and returns its status then; null = it has ended.
 * @throws {TtunError} privilege, timeout, protocol, lost; usage if the program refuses
 * @throws the reason of `signal`
 */
export async function ask(
  path: string,
  request: WrittenRequest,
  signal: AbortSignal,
): Promise<StatusReport | null> {
  signal.throwIfAborted();
  const connection = await connect(path);
  if (connection === null) return null;
  const life = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  using _connection = connection;
  using _life = onAbort(life, () => connection.close());
  try {
    return parseAnswer(await exchange(connection, packRequest(request)));
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof TtunError) throw thrown;
    const words = life.aborted ? "did not answer in time" : "hung up without an answer";
    throw new TtunError(life.aborted ? "timeout" : "lost", `The ttun at ${path} ${words}`, {
      cause: thrown,
    });
  }
}

async function connect(path: string): Promise<Deno.UnixConn | null> {
  try {
    return await Deno.connect({ transport: "unix", path });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return null;
    if (error instanceof Deno.errors.NotFound) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("privilege", `Cannot connect to ${path}: ${why}`, { cause: error });
  }
}

async function exchange(connection: Deno.UnixConn, request: Uint8Array): Promise<Uint8Array> {
  for (let at = 0; at < request.length;) at += await connection.write(request.subarray(at));
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(CHUNK);
    const got = await connection.read(chunk);
    if (got === null) break;
    size += got;
    if (size > LONGEST_ANSWER) throw new TtunError("protocol", "The status is too long to read");
    parts.push(chunk.subarray(0, got));
  }
  if (size === 0) throw new Error("no answer");
  return concat(...parts);
}
