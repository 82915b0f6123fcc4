import { TtunError } from "../../base/errors.ts";

/** Bytes of the longest path of a unix socket, on the system with the shortest ones (macOS). */
const LONGEST = 103;

/** Returns the socket of a node's API. @throws {TtunError} usage, if the path is too long for one */
export function apiSocket(folder: string): string {
  const path = `${folder}/api.sock`;
  if (new TextEncoder().encode(path).length <= LONGEST) return path;
  throw new TtunError(
    "usage",
    `Cannot use ${folder}: a socket in it would have a path that is too long; give another --data`,
  );
}
