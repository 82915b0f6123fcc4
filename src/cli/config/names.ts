import { TtunError } from "../../base/errors.ts";
import { isRoot } from "../platform/owners.ts";
import { isGranted } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";

const OF_THE_MACHINE = "/etc/ttun";

const SUFFIX = ".toml";

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** True for a path; a name has neither a slash nor `.toml`. */
export function isConfigPath(text: string): boolean {
  return text.includes("/") || text.endsWith(SUFFIX);
}

/** Checks a configuration's name or path. @throws {TtunError} usage */
export function parseConfigName(text: string): string {
  if (isConfigPath(text) || (NAME.test(text) && !/^\.+$/.test(text))) return text;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)} as a configuration: give up to 64 letters, digits, dots, ` +
      "dashes and underscores, as office, or the path of a file",
  );
}

/** The name that a configuration goes by, of a path the file's without `.toml`. */
export function configName(text: string): string {
  return text.slice(text.lastIndexOf("/") + 1).replace(/\.toml$/, "");
}

/** Returns the folder of this user's own files; null = there is no HOME. */
export function userConfigFolder(): string | null {
  const config = readVariable("XDG_CONFIG_HOME");
  if (config?.startsWith("/") === true) return `${config}/ttun`;
  const home = readVariable("HOME");
  return home === undefined || home === "" ? null : `${home}/.config/ttun`;
}

/**
 * Returns the path of a configuration. Root's are in /etc/ttun first, others' in ~/.config/ttun.
 * @throws {TtunError} usage, if there is none of that name
 */
export function findConfig(text: string): string {
  if (isConfigPath(text)) return text;
  const paths = configFolders().map((folder) => `${folder}/${text}${SUFFIX}`);
  const found = paths.find(isFile);
  if (found !== undefined) return found;
  throw new TtunError(
    "usage",
    `There is no configuration ${text}: looked for ${paths.join(" and ")}; a path has a slash or ` +
      `ends in ${SUFFIX}`,
  );
}

function configFolders(): string[] {
  const own = userConfigFolder();
  const all = isRoot() ? [OF_THE_MACHINE, own] : [own, OF_THE_MACHINE];
  return all.filter((folder) => folder !== null);
}

function isFile(path: string): boolean {
  if (!isGranted({ name: "read", path })) return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // it is missing or cannot be inspected
  }
}
