import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { writeNew } from "../../io/files/new_file.ts";
import { isThere, removeIfThere } from "../../io/files/present.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { fileFailure } from "../platform/file_failure.ts";
import { makeKey } from "../secrets/genkey.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { KEY, readSecretFile } from "../secrets/secret_file.ts";
import { keyNames, withKey, withoutKey } from "./key_lines.ts";
import type { KeyAddFlags, KeyChangeFlags, KeyListFlags } from "./options.ts";

const RELOAD = "A running server takes it at SIGHUP (ttun reload NAME, systemctl reload UNIT).";

/** Prints the names of the keys, one a line. @throws {TtunError} usage, privilege */
export async function runKeyList({ keyFile }: KeyListFlags, context: RunContext): Promise<number> {
  const names = keyNames(await readText(keyFile, context));
  await print(names.map((name) => `${name}\n`).join(""), context.signal);
  return 0;
}

/** Adds a new random key, which it does not print. @throws {TtunError} usage, privilege, system */
export async function runKeyAdd(
  { name, keyFile, address = [], network = [] }: KeyAddFlags,
  context: RunContext,
): Promise<number> {
  const settings = [
    ...address.map((text) => ` address=${text}`),
    ...network.map((text) => ` network=${text}`),
  ].join("");
  const read = async () => exists(keyFile) ? await readText(keyFile, context) : null;
  await changeKeys(keyFile, read, (text) => withKey(text, name, makeKey() + settings));
  const share = `ttun share HOST --client ${name} --key-file ${keyFile}`;
  const said = `There is a key of ${name} now; a link for its client: ${share}\n${RELOAD}\n`;
  await print(said, context.signal);
  return 0;
}

/** Takes a key away. @throws {TtunError} usage, privilege, system */
export async function runKeyRevoke(
  { name, keyFile }: KeyChangeFlags,
  context: RunContext,
): Promise<number> {
  const read = () => readText(keyFile, context);
  await changeKeys(keyFile, read, (text) => withoutKey(text, name));
  const said = `The key of ${name} is gone. ${RELOAD} Its sessions end then.\n`;
  await print(said, context.signal);
  return 0;
}

/** Without the last end of line. */
async function readText(path: string, context: RunContext): Promise<string> {
  if (path === "-") {
    throw new TtunError("usage", "Cannot change keys of standard input: give a file's name");
  }
  return new TextDecoder().decode(await readSecretFile(path, KEY, context, denoKeyEnvironment));
}

function exists(path: string): boolean {
  try {
    return isThere(path);
  } catch (error) {
    throw failure(path, error);
  }
}

/**
 * Gives a key file the text that `change` makes of what is read. Nobody sees half of it. Of several
 * programs each changes what the one before has left, or fails: otherwise a key that one of them has
 * revoked would come back. @throws {TtunError} usage, privilege, system
 */
export async function changeKeys<Text extends string | null>(
  path: string,
  read: () => Promise<Text>,
  change: (text: Text) => string,
): Promise<void> {
  const before = await read();
  const text = change(before);
  try {
    const real = exists(path) ? Deno.realPathSync(path) : path;
    const next = `${real}.ttun-new`; // no two programs can have it
    writeNew(next, utf8(text), { mode: 0o600, durable: true });
    try {
      if (await read() !== before) throw changedMeanwhile(path);
      Deno.renameSync(next, real);
    } catch (error) {
      removeIfThere(next);
      throw error;
    }
  } catch (error) {
    throw failure(path, error);
  }
}

function changedMeanwhile(path: string): TtunError {
  const why = "another program has changed it meanwhile; run this command again";
  return new TtunError("usage", `Cannot change ${path}: ${why}`);
}

function failure(path: string, error: unknown): TtunError {
  if (error instanceof TtunError) return error;
  if (error instanceof Deno.errors.AlreadyExists) {
    return new TtunError(
      "usage",
      `Cannot change ${path}: another ttun changes it; if there is none, remove ${path}.ttun-new`,
    );
  }
  return fileFailure("change", path, error);
}
