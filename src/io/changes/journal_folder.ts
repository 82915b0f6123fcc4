import { type JournalText, readJournal } from "./journal_text.ts";

/** Where root's ttun writes its changes down; it is empty after a boot. */
export const JOURNAL_FOLDER = "/run/ttun";

const SUFFIX = ".changes";

/** Bytes; a journal has some hundred lines at most. */
const MOST_BYTES = 1024 * 1024;

export interface JournalFile {
  readonly path: string;
  /** Null for an empty file, or one that is no journal of this version. */
  readonly text: JournalText | null;
  /** All of it has been undone by a process that might not remove it. */
  readonly isEmpty: boolean;
}

export function prepareFolder(folder: string): void {
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
}

export function openJournalFile(path: string): Deno.FsFile {
  return Deno.openSync(path, { write: true, append: true, createNew: true, mode: 0o600 });
}

export function isAlreadyThere(error: unknown): boolean {
  return error instanceof Deno.errors.AlreadyExists;
}

/**
 * Returns this user's own journals, of running processes too. Those in other users' files are not
 * believed. @throws Deno.errors.PermissionDenied if the folder is another user's
 */
export function listJournals(folder: string): JournalFile[] {
  const found: JournalFile[] = [];
  for (const name of namesIn(folder)) {
    const path = `${folder}/${name}`;
    const text = readOwn(path);
    if (text !== null) found.push({ path, text: readJournal(text), isEmpty: text === "" });
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

function readOwn(path: string): string | null {
  try {
    const { isFile, uid, size } = Deno.lstatSync(path);
    if (!isFile || uid !== Deno.uid() || size > MOST_BYTES) return null;
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // its process has just ended
    throw error;
  }
}
