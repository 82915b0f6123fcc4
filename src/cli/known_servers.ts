import { isGranted } from "./permissions.ts";

/** Tokens of servers that have spoken version 2, one to a line, in the state directory. */
const FILE = "version2-servers";
const MOST_BYTES = 1 << 20;

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

/** Whether the token was written down before. What cannot be read was not. */
export function isKnown(directory: string, token: string): boolean {
  return readAll(directory).split("\n").includes(token);
}

/** Writes the token down; returns a sentence on why that was not possible, or null. */
export function remember(directory: string, token: string): string | null {
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const known = readAll(directory);
    if (known.split("\n").includes(token)) return null;
    // The oldest lines go when the file has grown without end: it is a memory, not an archive.
    replaceFile(`${directory}/${FILE}`, `${known.slice(-MOST_BYTES / 2)}${token}\n`);
    return null;
  } catch (error) {
    return `cannot write into ${directory}: ${reasonOf(error)}; set STATE_DIRECTORY to a ` +
      "directory that ttun may write to";
  }
}

/** At once or not at all: a reader sees the old lines or the new ones. */
function replaceFile(path: string, text: string): void {
  const next = `${path}.${Deno.pid}`;
  try {
    Deno.writeTextFileSync(next, text, { mode: 0o600 });
    Deno.renameSync(next, path);
  } catch (error) {
    removeIfThere(next);
    throw error;
  }
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
  EISDIR: `${FILE} in it is a directory`,
  EACCES: "no privilege for it",
  EPERM: "no privilege for it",
  EROFS: "that file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the user's share of the disk is full",
};

/** Why a call on the file system failed, without Deno's own words. */
function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  const code = (error as { code?: string }).code ?? (error as Error).name;
  return REASONS[code] ?? `the operating system refuses it (${code})`;
}

function readAll(directory: string): string {
  try {
    const path = `${directory}/${FILE}`;
    return Deno.statSync(path).size > MOST_BYTES ? "" : Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Error) return "";
    throw error;
  }
}
