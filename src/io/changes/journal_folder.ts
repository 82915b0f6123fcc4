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
    const { text, isForeign } = file;
    found.push({ path, text: readJournal(text), isEmpty: text === "", isForeign });
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

function readTrusted(path: string, folder: string): { text: string; isForeign: boolean } | null {
  try {
    const own = Deno.uid();
    const { isFile, uid, size } = Deno.lstatSync(path);
    const isForeign = uid !== own;
    if (!isFile || size > MOST_BYTES) return null;
    if (isForeign && (own !== 0 || uid !== Deno.lstatSync(folder).uid)) return null;
    return { text: Deno.readTextFileSync(path), isForeign };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // its process has just ended
    throw error;
  }
}
