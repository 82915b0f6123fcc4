import { TtunError } from "../../base/errors.ts";
import { parseToxId, type ToxId } from "../../core/tox/tox_id.ts";
import { parseToxHosts, type ToxHost } from "../../core/tuntox/hosts.ts";
import { userConfigFolder } from "../config/names.ts";
import { othersMayRead } from "../platform/folders.ts";
import { isGranted } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import type { ToxEnd } from "./end.ts";
import { readKept } from "./kept_file.ts";

/** Bytes; a larger file is the wrong one. */
const MOST = 4 * 1024 * 1024;

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

/** ttun's file comes before tuntox's. @throws {TtunError} usage, privilege: it cannot be read */
function readHostsFiles(): ToxHostsFile[] {
  const own = userConfigFolder();
  const home = readVariable("HOME");
  return [
    ...(own === null ? [] : [`${own}/tox-hosts`]),
    ...(home === undefined || home === "" ? [] : [`${home}/.tuntox/hosts`]),
  ].map(readHosts);
}

function readHosts(path: string): ToxHostsFile {
  const file = isGranted({ name: "read", path }) ? readKept(path, MOST, "the Tox hosts") : null;
  if (file === null) return { path, text: null, isOpen: false };
  return { path, text: new TextDecoder().decode(file.bytes), isOpen: othersMayRead(file.info) };
}
