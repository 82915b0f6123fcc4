import { utf8 } from "../../base/bytes.ts";
import { systemError } from "../deno_errors.ts";
import { writeNew } from "../files/new_file.ts";
import { isThere, removeIfThere } from "../files/present.ts";

export const RESOLV_CONF = "/etc/resolv.conf";

/** Behind the name of the file: the one that was there before ttun's. */
const KEPT = ".before-ttun";
const NEW = ".ttun-new";

export function keptPath(path: string): string {
  return `${path}${KEPT}`;
}

/** The next file, until it is whole. */
export function freshPath(path: string): string {
  return `${path}${NEW}`;
}

/** Returns null if there is no such file, a link that leads nowhere too. */
export function readTextFile(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Puts another file in the place of resolv.conf, in one step, and keeps the one that was there, link
 * or file, as it is. There is none kept yet. @throws the system's refusal
 */
export function replaceFile(path: string, text: string): void {
  const kept = keptPath(path);
  const fresh = freshPath(path);
  removeIfThere(fresh);
  writeNew(fresh, utf8(text), { mode: 0o644, isModeExact: true, durable: true });
  try {
    if (isThere(path)) keep(path, kept);
    Deno.renameSync(fresh, path);
  } catch (error) {
    removeIfThere(fresh);
    if (!isMounted(error)) {
      if (isThere(path)) removeIfThere(kept);
      throw error;
    }
    Deno.writeTextFileSync(path, text); // a container's: it has a mount of its own
  }
}

/** Keeps a second name of the file itself, or where that cannot be, a copy. */
function keep(path: string, kept: string): void {
  try {
    Deno.linkSync(path, kept); // of a link the link itself
  } catch (error) {
    const isCopied = !Deno.lstatSync(path).isSymlink &&
      !(error instanceof Deno.errors.AlreadyExists);
    if (!isCopied) throw error;
    Deno.copyFileSync(path, kept);
  }
}

/** Puts back what `replaceFile` has kept. @throws the system's refusal */
export function putBack(path: string): void {
  const kept = keptPath(path);
  if (!isThere(kept)) return removeIfThere(path); // there was none
  try {
    Deno.renameSync(kept, path);
  } catch (error) {
    if (!isMounted(error)) throw error;
    Deno.writeTextFileSync(path, Deno.readTextFileSync(kept));
    Deno.removeSync(kept);
  }
}

/** Words for a file that has become another program's while the one before ttun's is kept; else null. */
export function keptText(path: string): string | null {
  const kept = keptPath(path);
  if (!isThere(kept)) return null;
  return `another program has changed ${path}, and it stays as it is; the one before ttun's is ` +
    `${kept}: copy it back, or remove it`;
}

/** Makes room for the next file that is kept. Of several the first one stays. */
export function setKeptAside(path: string): void {
  const kept = keptPath(path);
  if (!isThere(kept)) return;
  const older = `${kept}-old`;
  if (isThere(older)) removeIfThere(kept);
  else Deno.renameSync(kept, older);
}

/** EBUSY: the name itself is a mount. */
function isMounted(error: unknown): boolean {
  return systemError(error, "rename")?.is("EBUSY") === true;
}
