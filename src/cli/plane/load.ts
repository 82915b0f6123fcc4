import { TtunError } from "../../base/errors.ts";

/** ttun's entry point, as the command `deno cache` takes it. */
const ENTRY = new URL("../../../main.ts", import.meta.url);

/** SGR sequences: Deno paints the place of a failed import. */
// deno-lint-ignore no-control-regex -- ESC begins them
const PAINT = /\x1b\[[\d;]*m/g;

/**
 * Imports a part of ttun at the moment that it is needed. Where ttun runs from its sources, Deno
 * fetches then what is not in its cache.
 * @throws {TtunError} system, when the part or one of its packages cannot be had; what the part
 * itself throws comes through
 */
export async function load<T>(importPart: () => Promise<T>): Promise<T> {
  try {
    return await importPart();
  } catch (error) {
    if (!isLoadFailure(error)) throw error;
    throw new TtunError("system", loadFailure(error.message), { cause: error });
  }
}

/** A module or package that Deno cannot have, whatever the reason, is "not found" to it. */
function isLoadFailure(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
}

/** One sentence from Deno's message: what could not be had, its deepest cause, and the cure. */
export function loadFailure(message: string, entry: URL = ENTRY): string {
  const lines = message.replaceAll(PAINT, "").split("\n")
    .map((line) => line.trim().replace(/[.:]$/, ""));
  const first = lines[0]!;
  const cause = lines.findLast((line) => /^\d+: /.test(line))?.replace(/^\d+: /, "");
  return `Cannot load a part of ttun: ${cause === undefined ? first : `${first}: ${cause}`}; ` +
    `run this once where there is a network: deno cache ${cacheTarget(entry)}`;
}

/** How `deno cache` is told the file: a package by its name, for it takes no URL of its files. */
function cacheTarget(entry: URL): string {
  if (entry.protocol === "file:") return decodeURIComponent(entry.pathname);
  const [, name, version] = /^\/(@[^/]+\/[^/]+)\/([^/]+)\//.exec(entry.pathname) ?? [];
  return name === undefined ? entry.href : `jsr:${name}@${version}`;
}
