import { TtunError } from "../../base/errors.ts";

const ENTRY = new URL("../../../main.ts", import.meta.url);

/** SGR sequences, in which Deno colours the position of a failed import. */
// deno-lint-ignore no-control-regex -- ESC begins them
const PAINT = /\x1b\[[\d;]*m/g;

/**
 * Imports a part of ttun; when it runs from sources, Deno downloads whatever is not in its cache.
 * Errors of the part itself pass through.
 * @throws {TtunError} system, if the part or one of its packages is not available
 */
export async function load<T>(importPart: () => Promise<T>): Promise<T> {
  try {
    return await importPart();
  } catch (error) {
    if (!isLoadFailure(error)) throw error;
    throw new TtunError("system", loadFailure(error.message), { cause: error });
  }
}

/** Deno has one code for all causes of a missing module or package. */
function isLoadFailure(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}

export function loadFailure(message: string, entry: URL = ENTRY): string {
  const lines = message.replaceAll(PAINT, "").split("\n")
    .map((line) => line.trim().replace(/[.:]$/, ""));
  const first = lines[0]!;
  const cause = lines.findLast((line) => /^\d+: /.test(line))?.replace(/^\d+: /, "");
  return `Cannot load a part of ttun: ${cause === undefined ? first : `${first}: ${cause}`}; ` +
    `run this once where there is a network: deno cache ${cacheTarget(entry)}`;
}

/** Returns an argument for `deno cache`, which refuses URLs of a package's files. */
function cacheTarget(entry: URL): string {
  if (entry.protocol === "file:") return decodeURIComponent(entry.pathname);
  const [, name, version] = /^\/(@[^/]+\/[^/]+)\/([^/]+)\//.exec(entry.pathname) ?? [];
  return name === undefined ? entry.href : `jsr:${name}@${version}`;
}
