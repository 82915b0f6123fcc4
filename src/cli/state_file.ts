import { isGranted } from "./permissions.ts";

/** Where state is kept: systemd's directory, the user's, or for root the system's. null = nowhere. */
export function stateDirectory(): string | null {
  const env = (name: string) =>
    isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
  const systemd = env("STATE_DIRECTORY");
  if (systemd !== undefined && systemd !== "") return systemd.split(":")[0]!;
  if (Deno.build.os !== "windows" && isRoot()) return "/var/lib/ttun";
  const xdg = env("XDG_STATE_HOME");
  if (xdg !== undefined && xdg !== "") return `${xdg}/ttun`;
  const home = env("HOME") ?? env("USERPROFILE");
  return home === undefined || home === "" ? null : `${home}/.local/state/ttun`;
}

function isRoot(): boolean {
  return isGranted({ name: "sys", kind: "uid" }) && Deno.uid() === 0;
}

/** True when Deno's permissions allow state to be kept there. */
export function mayKeepState(directory: string): boolean {
  return isGranted({ name: "read", path: directory }) &&
    isGranted({ name: "write", path: directory });
}

/** Why nothing can be kept where `mayKeepState` says so. */
export const NO_STATE_PERMISSION = "no permission (--allow-read, --allow-write)";

/**
 * Makes the directory for a user that this process will become. One that is there already stays its
 * owner's; what goes wrong shows when something is written.
 */
export function makeStateFor(directory: string, user: { uid: number; gid: number }): void {
  try {
    Deno.mkdirSync(directory.replace(/\/[^/]*$/, "") || "/", { recursive: true, mode: 0o755 });
    Deno.mkdirSync(directory, { mode: 0o700 });
    Deno.chownSync(directory, user.uid, user.gid);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}

/** A file of the directory, "" where it cannot be read, is no file, or longer than `mostBytes`. */
export function readState(directory: string, file: string, mostBytes: number): string {
  try {
    const path = `${directory}/${file}`;
    const { isFile, size } = Deno.statSync(path);
    return !isFile || size > mostBytes ? "" : Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Error) return "";
    throw error;
  }
}

/**
 * Writes a file that only its owner may read, at once or not at all: a reader sees the old text or
 * the new one. Makes the directory. Returns a sentence on why that was not possible, or null.
 */
export function writeState(directory: string, file: string, text: string): string | null {
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    replaceFile(`${directory}/${file}`, text);
    return null;
  } catch (error) {
    return `cannot write into ${directory}: ${reasonOf(error, file)}; set STATE_DIRECTORY to a ` +
      "directory that ttun may write to";
  }
}

function replaceFile(path: string, text: string): void {
  const next = `${path}.${Deno.pid}`;
  removeIfThere(next); // of a process of the same number, long ago
  try {
    writeNew(next, new TextEncoder().encode(text));
    Deno.renameSync(next, path);
  } catch (error) {
    removeIfThere(next);
    throw error;
  }
}

/** Fails where something has that name already, also a symbolic link. */
function writeNew(path: string, bytes: Uint8Array): void {
  using file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncDataSync(); // or a power failure could leave the name without the text
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const REASONS: Record<string, string> = {
  EEXIST: "that is a file",
  ENOTDIR: "what it is to be in is no directory",
  EACCES: "no privilege for it",
  EPERM: "no privilege for it",
  EROFS: "that file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the user's share of the disk is full",
};

/** Why a call on the file system failed, without Deno's own words. */
function reasonOf(error: unknown, file: string): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  const code = (error as { code?: string }).code ?? (error as Error).name;
  if (code === "EISDIR") return `${file} in it is a directory`;
  return REASONS[code] ?? `the operating system refuses it (${code})`;
}
