import { isRoot } from "../platform/owners.ts";
import { readVariable } from "../platform/variables.ts";

const ROOT_FOLDER = "/run/ttun";

/** Folders that systemd makes for the units of the Debian package: /run/ttun-NAME. */
const UNITS = "/run";
/** Root's, for the folders of units with a user of their own (DynamicUser). */
const PRIVATE = `${UNITS}/private`;
const UNIT_PREFIX = "ttun-";

/** Returns the folder for a new socket: root's, systemd's or the user's; null = there is none. */
export function ownFolder(): string | null {
  if (isRoot()) return ROOT_FOLDER;
  const systemd = variable("RUNTIME_DIRECTORY");
  return systemd?.split(":")[0] ?? userFolders()[0] ?? null;
}

/** Returns a user's folder that outlives a boot of the machine; null = there is none. */
export function lastingFolder(): string | null {
  return homeFolder() ?? null;
}

/** Returns the folders that this user's programs may have their sockets in. */
export function allFolders(): readonly string[] {
  return isRoot() ? [ROOT_FOLDER, ...unitFolders()] : userFolders();
}

/** Returns the folder itself for systemd's link to it, as /run/ttun-NAME is one; all others as they are. */
export function realFolder(folder: string): string {
  return unitOf(folder) === undefined ? folder : privateFolder(folder)[0] ?? folder;
}

/** Returns the part of a unit's folder that names the unit; undefined for other folders. */
export function unitOf(folder: string): string | undefined {
  const begin = `${UNITS}/${UNIT_PREFIX}`;
  return folder.startsWith(begin) ? folder.slice(begin.length) : undefined;
}

function userFolders(): string[] {
  const session = variable("XDG_RUNTIME_DIR");
  const home = homeFolder();
  return [
    ...(session === undefined ? [] : [`${session}/ttun`]),
    ...(home === undefined ? [] : [home]),
  ];
}

function homeFolder(): string | undefined {
  const home = variable("HOME");
  return home === undefined ? undefined : `${home}/.local/state/ttun/run`;
}

function unitFolders(): string[] {
  return Array.from(Deno.readDirSync(UNITS)).flatMap((entry) => {
    if (!entry.name.startsWith(UNIT_PREFIX)) return [];
    const path = `${UNITS}/${entry.name}`;
    if (entry.isDirectory) return [path];
    return entry.isSymlink ? privateFolder(path) : [];
  });
}

/**
 * Returns the folder of a unit with a user of its own, to which the path is a link; else none. By its
 * real path its owner is seen.
 */
function privateFolder(path: string): string[] {
  try {
    const real = Deno.realPathSync(path);
    const isPrivate = real.startsWith(`${PRIVATE}/${UNIT_PREFIX}`);
    return isPrivate && Deno.lstatSync(real).isDirectory ? [real] : [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return []; // the unit has just ended
    throw error;
  }
}

/** Undefined for an empty one too. */
function variable(name: string): string | undefined {
  const text = readVariable(name);
  return text === "" ? undefined : text;
}
