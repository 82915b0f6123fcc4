import { dirname } from "node:path";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { openNew } from "../../io/files/new_file.ts";
import { isThere, lookAt, removeIfThere } from "../../io/files/present.ts";
import { requirePermissions } from "./permissions.ts";
import { lockFile } from "./file_lock.ts";
import { whyNotOurs } from "./folders.ts";
import { trustedOwners } from "./owners.ts";
import { readRegular } from "./read_regular.ts";

/** Bytes for a number, a line end, and additions of other programs. */
const MOST_BYTES = 4096;

/** Checks for `writePidFile` in advance. @throws {TtunError} privilege */
export function mayWritePidFile(path: string): void {
  const name = `process number file ${JSON.stringify(path)}`;
  requirePermissions([
    { permission: { name: "write", path }, purpose: `write ${name}` },
    { permission: { name: "read", path }, purpose: `read ${name}` },
    ...(Deno.build.os === "windows" ? [] : [
      {
        permission: { name: "read", path: "/" } as const,
        purpose: `look at the folders of ${name}`,
      },
      {
        permission: { name: "sys", kind: "uid" } as const,
        purpose: `tell whose the folders of ${name} are`,
      },
    ]),
  ]);
}

/**
 * Writes a file that disposal or the end of the process removes, unless another process has
 * replaced it. An earlier process's file is replaced; a link, a pipe or another user's file is an
 * error.
 * @throws {TtunError} usage, privilege
 */
export function writePidFile(path: string, log: Logger): Disposable {
  const text = utf8(`${Deno.pid}\n`);
  const { file, lock } = create(path, text);
  let isThere = true;
  const remove = () => {
    if (!isThere) return;
    isThere = false;
    removeEventListener("unload", remove);
    try {
      using _lock = lock;
      using _ = file; // open until now, so that its inode number is not reused
      if (!isStill(path, file, text)) return;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      log.warn("cannot remove the process number file", { path, why: reasonOf(error) });
      return;
    }
    try {
      removeIfThere(path);
    } catch (error) {
      log.warn("cannot remove the process number file", { path, why: reasonOf(error) });
    }
  };
  // A second Ctrl-C ends the process at once.
  addEventListener("unload", remove);
  return { [Symbol.dispose]: remove };
}

interface LockedFile {
  readonly file: Deno.FsFile;
  readonly lock: Disposable | null;
}

function create(path: string, text: Uint8Array): LockedFile {
  const why = whyNotOurs(dirname(path)) ?? whyNotReplaced(path);
  if (why !== null) throw cannotWrite(path, why, undefined);
  try {
    using _earlier = lockEarlier(path);
    removeIfThere(path);
    using undo = new DisposableStack();
    const file = undo.use(openNew(path, text, { mode: 0o644 }));
    const lock = lockFile(path);
    undo.move();
    return { file, lock: lock === "taken" ? null : lock };
  } catch (error) {
    if (error instanceof TtunError) throw error;
    throw cannotWrite(path, reasonOf(error), error);
  }
}

/**
 * Locks an earlier process's file, which that one has locked as long as it runs; null = there is
 * none, or there are no locks.
 * @throws {TtunError} in_use
 */
function lockEarlier(path: string): Disposable | null {
  if (!isThere(path)) return null;
  const lock = lockFile(path);
  if (lock !== "taken") return lock;
  const bytes = readRegular(path, MOST_BYTES, () => true) ?? new Uint8Array();
  const number = /\d+/.exec(new TextDecoder().decode(bytes))?.[0];
  throw new TtunError(
    "in_use",
    `Cannot write process number file ${
      JSON.stringify(path)
    }: process ${number}, which runs, has ` +
      "it; end that one, or name another file",
  );
}

function whyNotReplaced(path: string): string | null {
  let info: Deno.FileInfo | null;
  try {
    info = lookAt(path);
  } catch (error) {
    throw cannotWrite(path, reasonOf(error), error);
  }
  if (info === null) return null;
  const whose = info.uid === null ? "" : ` of user ${info.uid}`;
  if (info.isSymlink) return `a symbolic link${whose} is there; remove it, or name its target`;
  if (info.isDirectory) return "it is a directory";
  if (!info.isFile) return `a pipe, socket or device${whose} is there`;
  const trusted = trustedOwners();
  if (trusted !== null && info.uid !== null && !trusted.has(info.uid)) {
    return `a file${whose} is there; remove it, or name another`;
  }
  return hasNumber(path) ? null : "a file is there that no process number is in; remove it";
}

function hasNumber(path: string): boolean {
  try {
    const bytes = readRegular(path, MOST_BYTES, () => true);
    return bytes !== null && /^\s*(?:[0-9]|$)/.test(new TextDecoder().decode(bytes));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true; // it has been removed meanwhile
    throw cannotWrite(path, reasonOf(error), error);
  }
}

function isStill(path: string, file: Deno.FsFile, text: Uint8Array): boolean {
  const [ours, there] = [file.statSync(), Deno.lstatSync(path)];
  if (!there.isFile || there.ino !== ours.ino || there.dev !== ours.dev) {
    if (there.isFile || there.isSymlink) return false;
    throw new Error("something else has its name now");
  }
  if (ours.size !== text.length) return false;
  const content = new Uint8Array(text.length);
  file.seekSync(0, Deno.SeekMode.Start);
  file.readSync(content);
  return content.every((byte, i) => byte === text[i]);
}

function cannotWrite(path: string, why: string, cause: unknown): TtunError {
  const kind = cause instanceof Deno.errors.PermissionDenied ||
      cause instanceof Deno.errors.NotCapable
    ? "privilege"
    : "usage";
  return new TtunError(kind, `Cannot write process number file ${JSON.stringify(path)}: ${why}`, {
    cause,
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  if (error instanceof Deno.errors.PermissionDenied) return "the system does not allow it";
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  if (error instanceof Deno.errors.AlreadyExists) {
    return "somebody else has made it in this moment";
  }
  return error instanceof Error ? error.message : String(error);
}
