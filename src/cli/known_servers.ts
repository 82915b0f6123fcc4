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

/** Writes the token down; returns why that was not possible, or null. */
export function remember(directory: string, token: string): string | null {
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const known = readAll(directory);
    if (known.split("\n").includes(token)) return null;
    const path = `${directory}/${FILE}`;
    const next = `${path}.${Deno.pid}`;
    // The oldest lines go when the file has grown without end: it is a memory, not an archive.
    Deno.writeTextFileSync(next, `${known.slice(-MOST_BYTES / 2)}${token}\n`, { mode: 0o600 });
    Deno.renameSync(next, path);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
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
