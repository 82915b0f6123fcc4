import { TtunError } from "../../base/errors.ts";
import { parseToxId, type ToxId } from "../../core/tox/tox_id.ts";
import { parseToxHosts, type ToxHost } from "../../core/tuntox/hosts.ts";
import { othersMayRead } from "../platform/folders.ts";
import { fileReason } from "../platform/file_failure.ts";
import { isGranted } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";

/** Characters of a name; whatever is longer is meant as a Tox ID. */
const LONGEST_NAME = 63;

/** An end of `-i`: a Tox ID, or the name of a host of a file. */
export type ToxEnd = ToxId | { readonly name: string };

export interface FoundToxEnd {
  readonly id: ToxId;
  /** The secret that the file has for it; null = none. */
  readonly secret: string | null;
}

/** A file of hosts; the text is null where there is no such file. */
export interface ToxHostsFile {
  readonly path: string;
  readonly text: string | null;
  /** Users other than its owner can read what is in it. */
  readonly isOpen: boolean;
}

/** @throws {TtunError} usage, for what is neither */
export function parseToxEnd(text: string): ToxEnd {
  const isName = text.length <= LONGEST_NAME && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(text);
  return isName ? { name: text } : parseToxId(text);
}

/**
 * Returns the end's Tox ID, and its secret if a file of hosts has one. `warn` takes what is to be
 * mended in a file. @throws {TtunError} usage, also for a name that no file has
 */
export function findToxEnd(
  end: ToxEnd,
  warn: (message: string) => void,
  files: readonly ToxHostsFile[] = readHostsFiles(),
): FoundToxEnd {
  if (!("name" in end)) return { id: end, secret: null };
  for (const { path, text, isOpen } of files) {
    if (text === null) continue;
    const host = hostsOf(path, text).get(end.name);
    if (host === undefined) continue;
    if (host.secret !== null && isOpen) {
      warn(`Other users may read the secrets in ${path}: chmod 600 ${path}`);
    }
    return { id: parseToxId(host.id), secret: host.secret };
  }
  const where = files.length === 0
    ? "there is no HOME"
    : `looked in ${files.map(({ path }) => path).join(" and ")}`;
  throw new TtunError(
    "usage",
    `Cannot find the Tox host ${end.name}: ${where}; each line there has a name, a Tox ID and the ` +
      "secret; or give the Tox ID of 76 hexadecimal digits",
  );
}

function hostsOf(path: string, text: string): Map<string, ToxHost> {
  try {
    return parseToxHosts(text);
  } catch (error) {
    if (!(error instanceof TtunError)) throw error;
    throw new TtunError(error.kind, `${path}: ${error.message}`);
  }
}

/** ttun's file comes before tuntox's. @throws {TtunError} privilege, for one that cannot be read */
function readHostsFiles(): ToxHostsFile[] {
  const config = readVariable("XDG_CONFIG_HOME");
  const home = readVariable("HOME");
  const hasHome = home !== undefined && home !== "";
  const own = config?.startsWith("/") === true
    ? `${config}/ttun/tox-hosts`
    : hasHome
    ? `${home}/.config/ttun/tox-hosts`
    : null;
  return [own, hasHome ? `${home}/.tuntox/hosts` : null].filter((path) => path !== null)
    .map(readHosts);
}

function readHosts(path: string): ToxHostsFile {
  if (!isGranted({ name: "read", path })) return { path, text: null, isOpen: false };
  try {
    const isOpen = othersMayRead(Deno.statSync(path));
    return { path, text: Deno.readTextFileSync(path), isOpen };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path, text: null, isOpen: false };
    const message = `Cannot read the Tox hosts in ${path}: ${fileReason(error)}`;
    throw new TtunError("privilege", message, { cause: error });
  }
}
