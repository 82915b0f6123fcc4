import { toHex, utf8 } from "../../base/bytes.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { fileReason } from "./file_failure.ts";
import { isGranted } from "./permissions.ts";
import { whyNotOurs } from "./folders.ts";
import { isRoot, trustedOwners } from "./owners.ts";
import { readRegular } from "./read_regular.ts";
import { rng } from "./rng.ts";
import { readVariable } from "./variables.ts";

/** Returns systemd's directory, the user's, or root's; null = none. */
export function stateDirectory(): string | null {
  const systemd = readVariable("STATE_DIRECTORY");
  if (systemd !== undefined && systemd !== "") return systemd.split(":")[0]!;
  if (Deno.build.os !== "windows" && isRoot()) return "/var/lib/ttun";
  const xdg = readVariable("XDG_STATE_HOME");
  if (xdg !== undefined && xdg !== "") return `${xdg}/ttun`;
  const home = readVariable("HOME") ?? readVariable("USERPROFILE");
  return home === undefined || home === "" ? null : `${home}/.local/state/ttun`;
}

export function mayKeepState(directory: string): boolean {
  return isGranted({ name: "read", path: directory }) &&
    isGranted({ name: "write", path: directory });
}

export const NO_STATE_PERMISSION = "no permission (--allow-read, --allow-write)";

/** Creates it for that user. An existing one keeps its owner; a write shows problems. */
export function makeStateFor(directory: string, user: { uid: number; gid: number }): void {
  if (whyNotOurs(directory) !== null) return;
  try {
    Deno.mkdirSync(directory.replace(/\/[^/]*$/, "") || "/", { recursive: true, mode: 0o755 });
    if (whyNotOurs(directory) !== null) return; // another process may have been faster
    Deno.mkdirSync(directory, { mode: 0o700 });
    Deno.chownSync(directory, user.uid, user.gid);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** Returns "" for a file that is unreadable, not regular, too long or an untrusted user's. */
export function readState(directory: string, file: string, mostBytes: number): string {
  try {
    if (whyNotOurs(directory) !== null) return "";
    const bytes = readRegular(`${directory}/${file}`, mostBytes, ownersOf(directory));
    return bytes === null ? "" : new TextDecoder().decode(bytes);
  } catch (error) {
    if (error instanceof Error) return "";
    throw error;
  }
}

/** Returns a check for a file's owner; null = it has none. */
function ownersOf(directory: string): (owner: number | null) => boolean {
  const trusted = trustedOwners();
  const { uid } = Deno.statSync(directory); // after --user the directory and its files are that user's
  return (owner) => trusted === null || owner === null || trusted.has(owner) || owner === uid;
}

/** Writes atomically, for the owner only; creates the directory. Returns why it failed, or null. */
export function writeState(directory: string, file: string, text: string): string | null {
  try {
    const why = whyNotOurs(directory);
    if (why !== null) return cannotWrite(directory, why);
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const since = whyNotOurs(directory); // another process may have been faster
    if (since !== null) return cannotWrite(directory, since);
    const path = `${directory}/${file}`;
    const next = `${path}.${toHex(rng(8))}`; // a name that nobody can occupy in advance
    replaceAtomically(path, next, utf8(text), { mode: 0o600, durable: true });
    return null;
  } catch (error) {
    return cannotWrite(directory, reasonOf(error, file));
  }
}

function cannotWrite(directory: string, why: string): string {
  return `cannot write into ${directory}: ${why}; set STATE_DIRECTORY to a directory that ttun ` +
    "may write to";
}

function reasonOf(error: unknown, file: string): string {
  const isFolder = (error as { code?: string }).code === "EISDIR";
  return isFolder ? `${file} in it is a directory` : fileReason(error);
}
