import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { RunContext } from "../command/context.ts";
import { CREDENTIAL_FORBIDDEN, freshCredential, isCredential } from "../platform/credentials.ts";
import type { KeyEnvironment, KeyFile } from "./key_environment.ts";
import { promptSecret } from "./prompt.ts";
import { readBounded } from "./read_bounded.ts";
import { oneLine, utf8Text } from "./text_bytes.ts";

/** Most bytes; a larger file is the wrong one. */
const SECRET_LIMIT = 64 * 1024;

export interface SecretKind {
  /** Its file's name, such as "key file". */
  readonly file: string;
  readonly question: string;
}

export const KEY: SecretKind = { file: "key file", question: "Key: " };
export const LINK: SecretKind = { file: "link file", question: "Link: " };

/**
 * Accepts a file that only its owner may read, or `-`. Drops one byte order mark and line end.
 * @throws {TtunError} usage, privilege; the reason of the signal, without waiting for the file
 */
export async function readSecretFile(
  path: string,
  kind: SecretKind,
  context: Pick<RunContext, "signal">,
  host: KeyEnvironment,
): Promise<Uint8Array> {
  if (path === "") throw new TtunError("usage", `The name of the ${kind.file} is empty`);
  if (path === "-") {
    // Without the prompt the secret would be shown while it is typed.
    if (host.terminal.isTerminal()) return await promptFor(kind, context, host);
    return await abortable(readSecret(host.stdin, "standard input"), context.signal);
  }
  // Opening a pipe blocks until somebody writes to it.
  const secret = await abortable(readOwnFile(path, kind, host), context.signal);
  if (secret === undefined) {
    throw new TtunError("usage", `Cannot read ${kind.file} ${quoted(path)}: there is no such file`);
  }
  return secret;
}

async function readOwnFile(path: string, kind: SecretKind, host: KeyEnvironment) {
  const get = (name: string) => host.env.get(name);
  const now = freshCredential(path, get, host.isFile);
  using file = await host.open(now, kind.file);
  if (file === undefined) return undefined;
  return isCredential(path, get)
    ? await readOpenCredential(file, now, kind, host)
    : await readOpenFile(file, path, kind, host);
}

/** The caller closes the file. @throws {TtunError} */
export function readOpenFile(
  file: KeyFile,
  path: string,
  kind: SecretKind,
  host: Pick<KeyEnvironment, "owners">,
): Promise<Uint8Array> {
  return readPrivate(file, path, kind, { forbidden: 0o077, mend: "600", host });
}

/** Returns undefined if it is missing. @throws {TtunError} */
export async function readCredentialFile(
  path: string,
  kind: SecretKind,
  host: KeyEnvironment,
): Promise<Uint8Array | undefined> {
  using file = await host.open(path, kind.file);
  if (file === undefined) return undefined;
  return await readOpenCredential(file, path, kind, host);
}

function readOpenCredential(file: KeyFile, path: string, kind: SecretKind, host: KeyEnvironment) {
  const rule = { forbidden: CREDENTIAL_FORBIDDEN, mend: "400", host };
  return readPrivate(file, path, kind, rule);
}

/** @throws {Stopped} on Ctrl-C */
export async function promptFor(
  kind: SecretKind,
  context: Pick<RunContext, "signal">,
  host: KeyEnvironment,
): Promise<Uint8Array> {
  const o = { signal: context.signal, limit: SECRET_LIMIT };
  return oneLine(await promptSecret(host.terminal, kind.question, o)); // it may have been pasted
}

/** Types of files in a mode, as in stat.h: those that nobody should be told to change the rights of. */
const FILE_TYPE = 0o170000;
const DEVICES = [0o020000, 0o060000];

async function readPrivate(
  file: KeyFile,
  path: string,
  kind: SecretKind,
  rule: { forbidden: number; mend: string; host: Pick<KeyEnvironment, "owners"> },
): Promise<Uint8Array> {
  const name = `${kind.file} ${quoted(path)}`;
  const info = await file.info();
  if (info.isDirectory) {
    throw new TtunError("usage", `Cannot read ${name}: it is a directory`);
  }
  if (info.mode !== null && (info.mode & rule.forbidden) !== 0) {
    if (DEVICES.includes(info.mode & FILE_TYPE)) {
      const words = `Cannot use ${name}: it is a device, not a file; - is standard input`;
      throw new TtunError("usage", words);
    }
    throw new TtunError(
      "usage",
      `Cannot use ${name}: other users have access to it; ` +
        `run chmod ${rule.mend} ${shellWord(path)}`,
    );
  }
  const owners = info.owner === null ? null : rule.host.owners(name);
  if (owners !== null && !owners.has(info.owner!)) {
    throw new TtunError(
      "usage",
      `Cannot use ${name}: it belongs to user ${info.owner}, who could change it; ` +
        `run chown "$(id -u)" ${shellWord(path)}`,
    );
  }
  return await readSecret(file, name);
}

async function readSecret(from: Pick<KeyFile, "read">, what: string): Promise<Uint8Array> {
  const bytes = await readBounded(from, SECRET_LIMIT);
  if (bytes === null) throw new TtunError("usage", `Cannot use ${what}: it is over 64 KiB`);
  return oneLine(utf8Text(bytes, what));
}

function quoted(path: string): string {
  return JSON.stringify(path);
}

function shellWord(path: string): string {
  return /^[\w./~+:@%-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
