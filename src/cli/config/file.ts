import { TtunError } from "../../base/errors.ts";
import { lookAt } from "../../io/files/present.ts";
import { CREDENTIAL_FORBIDDEN, freshCredential, isCredential } from "../platform/credentials.ts";
import { othersMayWrite, whyNotOurs } from "../platform/folders.ts";
import { trustedOwners } from "../platform/owners.ts";
import { isGranted, requirePermissions } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import { type Entry, readEntries, type TableCommand } from "./entries.ts";
import type { Problem } from "./toml.ts";

/** Bytes; a larger file is the wrong one. */
const MOST_BYTES = 256 * 1024;

/** Permission bits of others than the owner. */
const OTHERS = 0o077;

export interface LoadedConfig {
  readonly path: string;
  readonly entries: readonly Entry[];
  /** Not empty: the entries are not whole. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a configuration file, which must be nobody else's to write if it holds commands or secrets,
 * or if root reads it.
 * @throws {TtunError} usage, privilege, for a file that cannot be read or may not be used
 */
export function loadConfig(
  path: string,
  commands: Readonly<Record<string, TableCommand>>,
): LoadedConfig {
  const now = freshCredential(path, readVariable, isFile);
  const { text, info } = read(now);
  const { entries, problems } = readEntries(text, path, commands);
  refuseOpen(now, info, entries, isCredential(path, readVariable) ? CREDENTIAL_FORBIDDEN : OTHERS);
  return { path, entries, problems };
}

/** Returns the entries of a file without faults. @throws {TtunError} usage, with the first fault */
export function soundEntries({ path, entries, problems }: LoadedConfig): readonly Entry[] {
  const [first, ...others] = problems;
  if (first === undefined) return entries;
  const more = others.length === 0 ? "" : `; ttun config check has ${others.length} more`;
  throw new TtunError("usage", `${problemLine(path, first)}${more}`);
}

export function problemLine(path: string, { line, message }: Problem): string {
  return `${path} line ${line}: ${message}`;
}

function isFile(path: string): boolean {
  return isGranted({ name: "read", path }) && lookAt(path)?.isFile === true;
}

function read(path: string): { text: string; info: Deno.FileInfo } {
  const name = `configuration ${JSON.stringify(path)}`;
  const refuse = (why: string, cause?: unknown, kind: "usage" | "privilege" = "usage") =>
    new TtunError(kind, `Cannot read ${name}: ${why}`, { cause });
  requirePermissions([{ permission: { name: "read", path }, purpose: `read ${name}` }]);
  try {
    // A pipe would wait for somebody who writes.
    if (!Deno.statSync(path).isFile) throw refuse("it is no file");
    using file = Deno.openSync(path);
    const info = file.statSync();
    if (info.size > MOST_BYTES) throw refuse(`it is over ${MOST_BYTES / 1024} KiB`);
    const bytes = new Uint8Array(info.size);
    let have = 0;
    while (have < bytes.length) {
      const got = file.readSync(bytes.subarray(have));
      if (got === null) break;
      have += got;
    }
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, have));
    return { text, info };
  } catch (error) {
    if (error instanceof TtunError) throw error;
    if (error instanceof TypeError) throw refuse("it is not UTF-8 text", error);
    if (error instanceof Deno.errors.NotFound) throw refuse("there is no such file", error);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw refuse("the system does not allow it", error, "privilege");
    }
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
}

/** @throws {TtunError} usage */
function refuseOpen(
  path: string,
  info: Deno.FileInfo,
  entries: readonly Entry[],
  forbidden: number,
): void {
  const secrets = entries.flatMap((entry) => entry.secrets);
  const held = [...entries.flatMap((entry) => entry.commands), ...secrets];
  const trusted = trustedOwners();
  // Root writes logs and numbers wherever a file says.
  const what = held[0] ?? (trusted !== null && Deno.uid() === 0 ? "options of root's" : undefined);
  if (what === undefined || trusted === null) return;
  const refuse = (why: string): never => {
    throw new TtunError(
      "usage",
      `Cannot use configuration ${JSON.stringify(path)}, which holds ${what}: ${why}`,
    );
  };
  const why = whyNotOurs(path);
  if (why !== null) refuse(why);
  if (info.uid !== null && !trusted.has(info.uid)) {
    refuse(`it belongs to user ${info.uid}, who could change it; run chown "$(id -u)" on it`);
  }
  if (othersMayWrite(info)) refuse("other users may write to it; run chmod go-w on it");
  if (secrets.length === 0 || info.mode === null || (info.mode & forbidden) === 0) return;
  refuse(`other users may read ${secrets[0]} in it; run chmod 600 on it, or use a file of its own`);
}
