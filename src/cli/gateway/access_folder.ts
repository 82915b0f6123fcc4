import { encodeBase64Url } from "../../base/base64url.ts";
import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { isAccessLabel } from "../../core/gateway/access_key.ts";
import { isLabel } from "../../core/gateway/label.ts";
import {
  bytesField,
  type Fields,
  listField,
  numberField,
  readFields,
  textField,
} from "../../core/mesh/admission/json.ts";
import { replaceAtomically } from "../../io/files/new_file.ts";
import { makeFolder } from "../mesh/node_folder.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { rng } from "../platform/rng.ts";
import { readKept } from "../tox/kept_file.ts";

const FILE = "access.json";
const MOST = 256 * 1024;

/** Access keys of one name, and of all. */
export const MOST_KEYS = 256;
const MOST_LISTED = 16 * MOST_KEYS;

/** An access key as its agent keeps it. */
export interface KeptAccess {
  /** The service's. */
  readonly name: string;
  readonly label: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The link's secret that was worked out of the key (docs/wire/link-v2.md, S). */
  readonly secret: Uint8Array;
}

/** Reads the access keys of an agent. @throws {TtunError} privilege, usage, protocol */
export function readAccess(folder: string): readonly KeptAccess[] {
  const path = pathIn(folder);
  const kept = readKept(path, MOST, "the access keys");
  if (kept === null) return [];
  const what = `the file ${path}`;
  return listField(readFields(kept.bytes, what), "keys", what, (item) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return null;
    const fields = item as Fields;
    const [name, label] = [textField(fields, "name", what), textField(fields, "label", what)];
    const secret = bytesField(fields, "secret", what, 32);
    if (!isLabel(name) || !isAccessLabel(label)) return null;
    return { name, label, since: numberField(fields, "since", what), secret };
  }, MOST_LISTED);
}

/** @throws {TtunError} exhausted, privilege, system */
export function keepAccess(folder: string, keys: readonly KeptAccess[]): void {
  const path = pathIn(folder);
  const lines = keys.map((key) => ({ ...key, secret: encodeBase64Url(key.secret) }));
  const bytes = utf8(`${JSON.stringify({ keys: lines }, null, 2)}\n`);
  if (bytes.length > MOST || keys.length > MOST_LISTED) { // it could not be read again
    throw new TtunError(
      "exhausted",
      "Cannot keep so many access keys of one agent: revoke those not in use",
    );
  }
  makeFolder(folder);
  try {
    const next = `${path}.${toHex(rng(8))}`; // a name that nobody can occupy in advance
    replaceAtomically(path, next, bytes, { mode: 0o600, isModeExact: true, durable: true });
  } catch (error) {
    throw fileFailure("keep access keys in", path, error);
  }
}

/** Returns what changes with the file; it does not read it. */
export function accessState(folder: string): string {
  try {
    const { mtime, size, ino } = Deno.statSync(pathIn(folder));
    return `${mtime?.getTime()} ${size} ${ino}`;
  } catch {
    return "none"; // it is not there, which is no failure
  }
}

function pathIn(folder: string): string {
  return `${folder}/${FILE}`;
}
