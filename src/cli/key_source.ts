import { utf8 } from "../base/bytes.ts";
import { TtunError } from "../base/errors.ts";
import type { RunContext } from "./context.ts";
import { denoKeyHost, type KeyFile, type KeyHost } from "./key_host.ts";
import { promptSecret } from "./prompt.ts";

/** Where a key can come from, in the order in which they are asked. */
export type KeySource =
  | "-k"
  | "--key-file"
  | "TTUN_KEY_FILE"
  | "TTUN_KEY"
  | "credential"
  | "prompt";

export interface ResolvedKey {
  /** The UTF-8 bytes as they were given; never empty. */
  readonly key: Uint8Array;
  readonly source: KeySource;
}

/** A key file larger than this is surely another file. */
const KEY_LIMIT = 64 * 1024;

const CREDENTIAL = "ttun-key";

/**
 * Finds the pre-shared key: `-k`, `--key-file`, TTUN_KEY_FILE, TTUN_KEY, the systemd credential
 * `ttun-key`, and at last a prompt on the terminal. The first that is there counts; when it is not
 * usable, that is an error and no later one is tried. TTUN_KEY is removed from the environment.
 *
 * @throws {TtunError} usage where there is no key or none that is usable; privilege
 * @throws {Stopped} on Ctrl-C at the prompt
 */
export async function resolveKey(
  options: { readonly key: string | undefined; readonly keyFile: string | undefined },
  context: Pick<RunContext, "signal" | "log" | "secretsHidden">,
  host: KeyHost = denoKeyHost,
): Promise<ResolvedKey> {
  const fromEnv = host.env.get("TTUN_KEY");
  if (fromEnv !== undefined) host.env.forget("TTUN_KEY");

  if (options.key !== undefined) {
    warnOfArgument(context);
    // What of an argument is not UTF-8 reaches us as U+FFFD: another key than was given.
    if (options.key.includes("\ufffd")) throw notUtf8("-k");
    return keyOf(utf8(options.key), "-k");
  }
  if (options.keyFile !== undefined) {
    return keyOf(await readKeyFile(options.keyFile, context, host), "--key-file");
  }
  const envFile = host.env.get("TTUN_KEY_FILE");
  if (envFile !== undefined) {
    return keyOf(await readKeyFile(envFile, context, host), "TTUN_KEY_FILE");
  }
  if (fromEnv !== undefined) return keyOf(utf8(fromEnv), "TTUN_KEY");
  const credential = await readCredential(host);
  if (credential !== undefined) return keyOf(credential, "credential");
  if (host.terminal.isTerminal()) return keyOf(await prompt(context, host), "prompt");
  throw new TtunError(
    "usage",
    "There is no key: give --key-file FILE, -k STRING, TTUN_KEY_FILE or TTUN_KEY in the " +
      `environment, or the systemd credential ${CREDENTIAL}`,
  );
}

function warnOfArgument(context: Pick<RunContext, "log" | "secretsHidden">): void {
  const sight = context.secretsHidden
    ? "was visible in process lists until ttun hid it"
    : "is visible in process lists";
  context.log.warn(
    `The key given by -k ${sight}, and a shell's history may keep it; ` +
      "use --key-file or TTUN_KEY_FILE",
  );
}

function keyOf(key: Uint8Array, source: KeySource): ResolvedKey {
  if (key.length === 0) {
    throw new TtunError("usage", `The key from ${source} is empty; ttun genkey makes one`);
  }
  if (!isUtf8(key)) throw notUtf8(source);
  return { key, source };
}

function notUtf8(source: KeySource): TtunError {
  return new TtunError(
    "usage",
    `The key from ${source} is not UTF-8 text; ttun genkey makes one that is`,
  );
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    // The decoder has no other way to say no.
    return false;
  }
}

async function readKeyFile(
  path: string,
  context: Pick<RunContext, "signal">,
  host: KeyHost,
): Promise<Uint8Array> {
  if (path === "") throw new TtunError("usage", "The name of the key file is empty");
  if (path === "-") {
    // Without the prompt the key would show while it is typed.
    if (host.terminal.isTerminal()) return await prompt(context, host);
    return withoutLineEnd(await readBounded(host.stdin, "standard input"));
  }
  using file = await host.open(path);
  if (file === undefined) {
    throw new TtunError("usage", `Cannot read key file ${quoted(path)}: there is no such file`);
  }
  // Group and others may do nothing at all with a file that is only for its owner.
  return await readPrivate(file, path, { forbidden: 0o077, mend: "600" });
}

/** The directory may be there for other secrets alone, so a missing file is no error. */
async function readCredential(host: KeyHost): Promise<Uint8Array | undefined> {
  const directory = host.env.get("CREDENTIALS_DIRECTORY");
  if (directory === undefined || directory === "") return undefined;
  const path = `${directory}/${CREDENTIAL}`;
  using file = await host.open(path);
  if (file === undefined) return undefined;
  // systemd itself gives the group of a service access, by mode 0440.
  return await readPrivate(file, path, { forbidden: 0o007, mend: "400" });
}

async function readPrivate(
  file: KeyFile,
  path: string,
  rule: { forbidden: number; mend: string },
): Promise<Uint8Array> {
  const info = await file.info();
  if (info.isDirectory) {
    throw new TtunError("usage", `Cannot read key file ${quoted(path)}: it is a directory`);
  }
  if (info.mode !== null && (info.mode & rule.forbidden) !== 0) {
    throw new TtunError(
      "usage",
      `Cannot use key file ${quoted(path)}: other users have access to it; ` +
        `run chmod ${rule.mend} ${shellWord(path)}`,
    );
  }
  return withoutLineEnd(await readBounded(file, `key file ${quoted(path)}`));
}

/** Takes no more memory than the limit, however much the file gives. */
async function readBounded(from: Pick<KeyFile, "read">, what: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(KEY_LIMIT + 1);
  let length = 0;
  while (length < buffer.length) {
    const count = await from.read(buffer.subarray(length));
    if (count === null) break;
    length += count;
  }
  const bytes = buffer.slice(0, length);
  buffer.fill(0);
  if (length <= KEY_LIMIT) return bytes;
  throw new TtunError("usage", `Cannot use ${what} as a key: it is over 64 KiB`);
}

/** Editors and echo end a file with one line end; any more belong to the key. */
function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  if (bytes.at(-1) !== 0x0a) return bytes;
  return bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
}

function prompt(context: Pick<RunContext, "signal">, host: KeyHost): Promise<Uint8Array> {
  return promptSecret(host.terminal, "Key: ", { signal: context.signal, limit: KEY_LIMIT });
}

function quoted(path: string): string {
  return JSON.stringify(path);
}

/** The path so that a shell takes it as one word. */
function shellWord(path: string): string {
  return /^[\w./~+:@%-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
