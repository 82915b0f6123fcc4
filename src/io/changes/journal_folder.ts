import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from "node:fs";
import { TtunError } from "../../base/errors.ts";
import { type JournalText, readJournal } from "./journal_text.ts";

const SUFFIX = ".changes";

/** Bytes; a journal has some hundred lines at most. */
const MOST_BYTES = 1024 * 1024;

export interface JournalFile {
  readonly path: string;
  /** Null for an empty file, or one that is no journal of this version. */
  readonly text: JournalText | null;
  /** All of it has been undone by a process that might not remove it. */
  readonly isEmpty: boolean;
  /** Another user wrote it, whom its folder belongs to: root undoes no more than that user could. */
  readonly isForeign: boolean;
  /** Device and inode. */
  readonly id: string;
}

/** @throws {TtunError} privilege */
export function prepareFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw cannotWrite(folder, cause);
  }
}

/** @throws {TtunError} privilege, if that is the reason; else the error itself */
export function cannotWrite(path: string, cause: unknown): unknown {
  const { NotCapable, PermissionDenied } = Deno.errors;
  if (!(cause instanceof PermissionDenied || cause instanceof NotCapable)) return cause;
  return new TtunError(
    "privilege",
    `Cannot write down what is changed on this machine, in ${path}: no privilege for it; run ttun ` +
      "with sudo",
    { cause },
  );
}

export function openJournalFile(path: string): Deno.FsFile {
  return Deno.openSync(path, { write: true, append: true, createNew: true, mode: 0o600 });
}

export function isAlreadyThere(error: unknown): boolean {
  return error instanceof Deno.errors.AlreadyExists;
}

/**
 * Returns this user's own journals, of running processes too, and for root those of a folder's owner.
 * Files of others are not believed. @throws Deno.errors.PermissionDenied if the folder is another user's
 */
export function listJournals(folder: string): JournalFile[] {
  const found: JournalFile[] = [];
  for (const name of namesIn(folder)) {
    const path = `${folder}/${name}`;
    const file = readTrusted(path, folder);
    if (file === null) continue;
    const { text, isForeign, id } = file;
    found.push({ path, text: readJournal(text), isEmpty: text === "", isForeign, id });
  }
  return found;
}

/** Returns true if there may be something to repair: no more than a look at the folder. */
export function hasJournals(folder: string): boolean {
  try {
    return namesIn(folder).length > 0;
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return false;
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name)
      .filter((name) => name.endsWith(SUFFIX)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/**
 * Adds a line to a journal of this user's own that `listJournals` has found. Does nothing if the name
 * is another file's by now: its folder may belong to somebody else.
 */
export function appendLine({ path, id }: { path: string; id: string }, line: string): void {
  withRegular(path, constants.O_WRONLY | constants.O_APPEND, (fd, file) => {
    if (file.uid === Deno.uid() && file.id === id) writeSync(fd, line);
  });
}

function readTrusted(
  path: string,
  folder: string,
): { text: string; isForeign: boolean; id: string } | null {
  return withRegular(path, constants.O_RDONLY, (fd, { uid, size, id }) => {
    const own = Deno.uid();
    const isForeign = uid !== own;
    if (size > MOST_BYTES) return null;
    if (isForeign && (own !== 0 || uid !== Deno.lstatSync(folder).uid)) return null;
    return { text: readFileSync(fd, "utf8"), isForeign, id };
  });
}

interface RegularFile {
  readonly uid: number;
  readonly size: number;
  readonly id: string;
}

/** Returns null for what is no regular file of one name, without following a link or waiting. */
function withRegular<T>(
  path: string,
  flags: number,
  use: (fd: number, file: RegularFile) => T,
): T | null {
  const fd = openQuietly(path, flags);
  if (fd === null) return null;
  try {
    const found = fstatSync(fd);
    if (!found.isFile() || found.nlink !== 1) return null;
    return use(fd, { uid: found.uid, size: found.size, id: `${found.dev}:${found.ino}` });
  } finally {
    closeSync(fd);
  }
}

/** Returns null for a link, a FIFO that nobody reads, and a file whose process has just ended. */
function openQuietly(path: string, flags: number): number | null {
  try {
    return openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "ENOENT" || code === "ELOOP" || code === "ENXIO") return null;
    throw error;
  }
}
