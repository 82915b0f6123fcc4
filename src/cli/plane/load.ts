import { TtunError } from "../../base/errors.ts";

/** Entry point of ttun, for `deno cache`. */
const ENTRY = new URL("../../../main.ts", import.meta.url);

/** SGR sequences, in which Deno colours the position of a failed import. */
// deno-lint-ignore no-control-regex -- ESC begins them
const PAINT = /\x1b\[[\d;]*m/g;

/**
 * Imports a part of ttun on demand. If ttun runs from its sources, Deno then downloads whatever is
 * not in its cache.
 * @throws {TtunError} system, if the part or one of its packages is not available; errors that the
 * part itself throws pass through
 */
export async function load<T>(importPart: () => Promise<T>): Promise<T> {
  try {
    return await importPart();
  } catch (error) {
    if (!isLoadFailure(error)) throw error;
    throw new TtunError("system", loadFailure(error.message), { cause: error });
  }
}

/** Returns true for a module or package that is not available; Deno has one code for all causes. */
function isLoadFailure(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}

/** Makes a sentence of Deno's message: the missing part, its deepest cause, and the remedy. */
export function loadFailure(message: string, entry: URL = ENTRY): string {
  const lines = message.replaceAll(PAINT, "").split("\n")
    .map((line) => line.trim().replace(/[.:]$/, ""));
  const first = lines[0]!;
  const cause = lines.findLast((line) => /^\d+: /.test(line))?.replace(/^\d+: /, "");
  return `Cannot load a part of ttun: ${cause === undefined ? first : `${first}: ${cause}`}; ` +
    `run this once where there is a network: deno cache ${cacheTarget(entry)}`;
}

/**
 * Returns the argument for `deno cache`; a package goes by name, as URLs of its files are refused.
 */
function cacheTarget(entry: URL): string {
  if (entry.protocol === "file:") return decodeURIComponent(entry.pathname);
  const [, name, version] = /^\/(@[^/]+\/[^/]+)\/([^/]+)\//.exec(entry.pathname) ?? [];
  return name === undefined ? entry.href : `jsr:${name}@${version}`;
}
