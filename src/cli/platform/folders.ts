import { isAbsolute, join, resolve } from "node:path";
import { trustedOwners } from "./owners.ts";

/** The kernel's limit for a path (path_resolution(7)). */
const MOST_LINKS = 40;
const STICKY = 0o1000;
const GROUP_OR_OTHERS_WRITE = 0o022;
const OTHERS_WRITE = 0o002;
const GROUP_OR_OTHERS_READ = 0o044;

/**
 * Returns why the path is unsafe, or null: another user could replace a part of it, or has put a
 * symbolic link there, to redirect what is written. The folder itself may be another user's. A path
 * is judged as far as it exists. One that Deno does not permit to look at is unsafe: a permission
 * for a path also covers the target of a link on it. Without --allow-sys=uid nothing is judged.
 * `trusted`: users that may own parts of it.
 */
export function whyNotOurs(folder: string, trusted = trustedOwners()): string | null {
  if (trusted === null) return null;
  try {
    return walk(resolve(folder), trusted);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      return "Deno does not let ttun look at the folders on the way; run with --allow-read or -A";
    }
    // A part of the path is missing, is no folder, or cannot be inspected.
    if (error instanceof Error) return null;
    throw error;
  }
}

function walk(path: string, trusted: ReadonlySet<number>): string | null {
  let at = "/"; // never a link
  let links = 0;
  const rest = partsOf(path);
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const next = join(at, name); // of ".." the parent, for `at` has no links in it
    const folder = Deno.lstatSync(at);
    const why = name === ".." ? null : whyOthers(at, folder, trusted);
    if (why !== null) return why;
    const info = Deno.lstatSync(next);
    // In a folder like /tmp all users can replace their own entries.
    if (othersMayWrite(folder) && !isTrusted(info, trusted)) {
      return `${JSON.stringify(next)} on the way belongs to user ${info.uid}`;
    }
    if (!info.isSymlink) {
      at = next;
      continue;
    }
    if (++links > MOST_LINKS) return `there are over ${MOST_LINKS} symbolic links on the way`;
    const target = Deno.readLinkSync(next);
    if (isAbsolute(target)) at = "/";
    rest.unshift(...partsOf(target));
  }
  return null;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** Returns why other users could replace any entry of the folder, or null. */
function whyOthers(
  path: string,
  folder: Deno.FileInfo,
  trusted: ReadonlySet<number>,
): string | null {
  if (!isTrusted(folder, trusted)) {
    return `the folder ${JSON.stringify(path)} on the way belongs to user ${folder.uid}`;
  }
  if (!othersMayWrite(folder) || (folder.mode! & STICKY) !== 0) return null;
  return `other users may write to the folder ${JSON.stringify(path)} on the way`;
}

/** Ignores a user's own group, which usually has no other members. */
export function othersMayWrite({ mode }: Deno.FileInfo): boolean {
  const others = Deno.uid() === 0 ? GROUP_OR_OTHERS_WRITE : OTHERS_WRITE;
  return mode !== null && (mode & others) !== 0;
}

/** False where files have no such modes. */
export function othersMayRead({ mode }: Deno.FileInfo): boolean {
  return mode !== null && (mode & GROUP_OR_OTHERS_READ) !== 0;
}

function isTrusted({ uid }: Deno.FileInfo, trusted: ReadonlySet<number>): boolean {
  return uid === null || trusted.has(uid);
}
