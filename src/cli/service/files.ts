import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { isThere, lookAt, removeIfThere } from "../../io/files/present.ts";
import { fileFailure } from "../platform/file_failure.ts";
import type { Manager } from "./managers.ts";
import { markIn } from "./service.ts";

/** Bytes; a service's file has less. */
const MOST_BYTES = 64 * 1024;

/** A service whose file this program has made. */
export interface Installed {
  readonly id: string;
  readonly name: string;
  readonly config: string;
}

/** Returns the services that this program has made, by their marks. @throws {TtunError} privilege, system */
export function installedServices(manager: Manager): Installed[] {
  const { folder } = manager;
  const names = attempt("read", folder, () => {
    if (!isThere(folder)) return [];
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).toSorted();
  });
  return names.flatMap((file) => {
    const id = manager.idOf(file);
    const mark = id === null ? null : readMark(manager.pathOf(id));
    return id === null || mark === null ? [] : [{ id, ...mark }];
  });
}

/** Returns null for a file that is not there, or not this program's. */
function readMark(path: string): Omit<Installed, "id"> | null {
  return attempt("read", path, () => {
    const info = lookAt(path);
    if (info?.isFile !== true || info.size > MOST_BYTES) return null;
    return markIn(Deno.readTextFileSync(path));
  });
}

/**
 * Refuses a file of a service that somebody else has made, here or where packages have theirs.
 * @throws {TtunError} in_use
 */
export function refuseForeign(manager: Manager, id: string, config: string): void {
  const path = manager.pathOf(id);
  const refuse = (why: string) =>
    new TtunError("in_use", `Cannot install ${id}: ${why}; give the configuration another name`);
  const mark = readMark(path);
  if (mark !== null && mark.config !== config) throw refuse(`${path} is for ${mark.config}`);
  const isForeign = mark === null && attempt("read", path, () => isThere(path));
  if (isForeign) throw refuse(`${path} is there, and not of ttun service install`);
  const base = path.slice(manager.folder.length);
  const other = manager.otherFolders.map((folder) => `${folder}${base}`)
    .find(isThere);
  if (other !== undefined) throw refuse(`a package has ${other}`);
}

/** Nobody sees half of it. @throws {TtunError} privilege, system */
export function writeService(manager: Manager, id: string, text: string): void {
  const path = manager.pathOf(id);
  attempt("write", path, () => {
    const next = `${path}.ttun-new`;
    removeIfThere(next);
    Deno.mkdirSync(manager.folder, { recursive: true });
    replaceAtomically(path, next, utf8(text), {
      mode: manager.mode,
      isModeExact: true,
      durable: true,
    });
  });
}

/** @throws {TtunError} privilege, system */
export function removeService(manager: Manager, id: string): void {
  const path = manager.pathOf(id);
  attempt("remove", path, () => removeIfThere(path));
}

function attempt<T>(doing: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TtunError) throw error;
    throw fileFailure(doing, path, error);
  }
}
