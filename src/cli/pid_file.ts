import { TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { requirePermissions } from "./permissions.ts";

/** Checks beforehand what `writePidFile` needs. @throws {TtunError} privilege */
export function mayWritePidFile(path: string): void {
  const name = `process number file ${JSON.stringify(path)}`;
  requirePermissions([
    { permission: { name: "write", path }, purpose: `write ${name}` },
    { permission: { name: "read", path }, purpose: `read ${name}` },
  ]);
}

/**
 * Writes this process's number and a line end into a file, which disposal, or the end of the
 * process, removes; not where it has become another's meanwhile.
 * @throws {TtunError} usage, privilege
 */
export function writePidFile(path: string, log: Logger): Disposable {
  const text = `${Deno.pid}\n`;
  let own: Deno.FileInfo;
  try {
    removeOld(path);
    own = create(path, text);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  let isThere = true;
  const remove = () => {
    if (!isThere) return;
    isThere = false;
    removeEventListener("unload", remove);
    try {
      const there = Deno.lstatSync(path);
      if (!there.isFile && !there.isSymlink) throw new Refusal(`it is now ${kindOf(there)}`);
      const isOwn = there.dev === own.dev && there.ino === own.ino;
      if (isOwn && Deno.readTextFileSync(path) === text) Deno.removeSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      log.warn("cannot remove the process number file", { path, why: reasonOf(error) });
    }
  };
  // A second Ctrl-C ends the process at once.
  addEventListener("unload", remove);
  return { [Symbol.dispose]: remove };
}

/** What of ours keeps it from being written. */
class Refusal extends Error {}

/**
 * Takes a file of an earlier process away. It is never written into: another user may have put a link
 * there, to a file that only we can write to, or a pipe that nobody reads.
 * @throws {Refusal} where something else has the name, or another user's file
 */
function removeOld(path: string): void {
  let there: Deno.FileInfo;
  try {
    there = Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  if (!there.isFile) throw new Refusal(`${kindOf(there)} has that name; remove it`);
  if (there.size > MOST_BYTES || !/^\s*(?:[0-9]|$)/.test(Deno.readTextFileSync(path))) {
    throw new Refusal("a file is there that no process number is in; remove it");
  }
  Deno.removeSync(path);
}

/** A process number, a line end, and what other programs may add. */
const MOST_BYTES = 4096;

/** Fails where the name has been taken meanwhile, by a link as well (O_EXCL). */
function create(path: string, text: string): Deno.FileInfo {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o644 });
  file.writeSync(new TextEncoder().encode(text));
  return file.statSync();
}

function kindOf({ isSymlink, isDirectory, isFifo, isSocket }: Deno.FileInfo): string {
  if (isSymlink) return "a symbolic link";
  if (isDirectory) return "a directory";
  return isFifo === true ? "a pipe" : isSocket === true ? "a socket" : "something that is no file";
}

function cannotWrite(path: string, error: unknown): TtunError {
  const kind = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable
    ? "privilege"
    : "usage";
  return new TtunError(
    kind,
    `Cannot write process number file ${JSON.stringify(path)}: ${reasonOf(error)}`,
    { cause: error },
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  if (error instanceof Deno.errors.PermissionDenied) return "the system does not allow it";
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  if (error instanceof Deno.errors.AlreadyExists) return "somebody else makes it at the same time";
  return error instanceof Error ? error.message : String(error);
}
