/** Reads environment variables. */
type Get = (name: string) => string | undefined;

/**
 * Names a folder of root's with newer copies of credentials: systemd has them as they were at the
 * start, and ExecReload of a unit of `ttun service install` copies them there before SIGHUP.
 */
export const FRESH_VARIABLE = "TTUN_FRESH_CREDENTIALS";

/** Bits that a credential may not have: systemd lets the group of its service read it. */
export const CREDENTIAL_FORBIDDEN = 0o007;

/** True for a file that systemd hands to this service (systemd.exec(5)). */
export function isCredential(path: string, get: Get): boolean {
  return credentialName(path, get) !== null;
}

/** Returns the newer copy of a credential; all other paths as they are. `isFile`: a copy is there. */
export function freshCredential(
  path: string,
  get: Get,
  isFile: (path: string) => boolean,
): string {
  const name = credentialName(path, get);
  const folder = get(FRESH_VARIABLE);
  if (name === null || folder === undefined || !folder.startsWith("/")) return path;
  const copy = `${folder}/${name}`;
  return isFile(copy) ? copy : path;
}

function credentialName(path: string, get: Get): string | null {
  const folder = get("CREDENTIALS_DIRECTORY");
  if (folder === undefined || folder === "" || !path.startsWith(`${folder}/`)) return null;
  const name = path.slice(folder.length + 1);
  return name.includes("/") || name === ".." ? null : name;
}
