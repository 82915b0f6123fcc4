import { isGranted } from "../platform/permissions.ts";

const ROOT_FOLDER = "/run/ttun";

/** Folders that systemd makes for the units of the Debian package: /run/ttun-NAME. */
const UNITS = "/run";
const UNIT_PREFIX = "ttun-";

/** Returns the folder for a new socket: root's, systemd's or the user's; null = there is none. */
export function ownFolder(): string | null {
  if (isRoot()) return ROOT_FOLDER;
  const systemd = variable("RUNTIME_DIRECTORY");
  return systemd?.split(":")[0] ?? userFolders()[0] ?? null;
}

/** Returns the folders that this user's programs may have their sockets in. */
export function allFolders(): readonly string[] {
  return isRoot() ? [ROOT_FOLDER, ...unitFolders()] : userFolders();
}

/** Returns the part of a unit's folder that names the unit; undefined for other folders. */
export function unitOf(folder: string): string | undefined {
  const begin = `${UNITS}/${UNIT_PREFIX}`;
  return folder.startsWith(begin) ? folder.slice(begin.length) : undefined;
}

function userFolders(): string[] {
  const session = variable("XDG_RUNTIME_DIR");
  const home = variable("HOME");
  return [
    ...(session === undefined ? [] : [`${session}/ttun`]),
    ...(home === undefined ? [] : [`${home}/.local/state/ttun/run`]),
  ];
}

function unitFolders(): string[] {
  return Array.from(Deno.readDirSync(UNITS))
    .filter(({ isDirectory, name }) => isDirectory && name.startsWith(UNIT_PREFIX))
    .map(({ name }) => `${UNITS}/${name}`);
}

function isRoot(): boolean {
  return isGranted({ name: "sys", kind: "uid" }) && Deno.uid() === 0;
}

/** Undefined for an empty one too. */
function variable(name: string): string | undefined {
  const text = isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
  return text === "" ? undefined : text;
}
