import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "./key_environment.ts";
import { readDefaultKey, usualKeyFile } from "./default_key.ts";
import { KEY, promptFor, readCredentialFile, readSecretFile } from "./secret_file.ts";
import { oneLine } from "./text_bytes.ts";

/** Sources in the order of the search. */
export type KeySource =
  | "link"
  | "-k"
  | "configuration"
  | "--key-file"
  | "TTUN_KEY_FILE"
  | "TTUN_KEY"
  | "credential"
  | "default file"
  | "prompt";

export interface ResolvedKey {
  /** UTF-8 as given, but without a byte order mark and a line end; not empty. */
  readonly key: Uint8Array;
  readonly source: KeySource;
}

const CREDENTIAL = "ttun-key";
/** This credential comes first. A unit cannot omit one, so an empty one counts as none. */
const OWN_CREDENTIAL = "ttun-own-key";

/** Names among the secrets that a process in the foreground hands over. */
const KEY_SECRET = "key";
const SOURCE_SECRET = "key source";

/** Packs a key for a process in the background, whose own `resolveKey` takes it. */
export function keySecrets({ key, source }: ResolvedKey): Secrets {
  return { [KEY_SECRET]: key, [SOURCE_SECRET]: utf8(source) };
}

/**
 * Takes the key that a process in the foreground has found, or searches `-k`, `--key-file`, TTUN_KEY_FILE, TTUN_KEY, the systemd credential `ttun-key`, the
 * files of `defaultKeyFiles`, and prompts on the terminal. The first one present counts, even if it
 * is unusable. TTUN_KEY is removed from the environment.
 * @throws {TtunError} usage, without a usable key; privilege
 * @throws {Stopped} on Ctrl-C at the prompt; the reason of the signal, even while a file is a pipe
 * that nobody writes to
 */
export async function resolveKey(
  options: {
    readonly key: string | undefined;
    readonly keyFile: string | undefined;
    readonly linkKey?: Uint8Array;
  },
  context: Pick<RunContext, "signal" | "log" | "secretsHidden" | "fileSecrets" | "background">,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<ResolvedKey> {
  if (options.linkKey !== undefined) {
    host.env.forget("TTUN_KEY");
    return keyOf(options.linkKey, "link");
  }
  const handed = context.background?.secrets[KEY_SECRET];
  if (handed !== undefined) return keyOf(handed, handedSource(context.background!.secrets));
  const fromEnv = host.env.get("TTUN_KEY");
  if (fromEnv !== undefined) host.env.forget("TTUN_KEY");

  if (options.key !== undefined) {
    const isInFile = context.fileSecrets?.has("key") === true;
    if (!isInFile) warnOfArgument(context);
    if (host.isFile(options.key)) {
      context.log.warn("What -k gives is also the name of a file: to read that, use --key-file");
    }
    // U+FFFD stands for bytes that were not UTF-8, so the key would be another one.
    if (options.key.includes("\ufffd")) throw notUtf8("-k");
    return keyOf(oneLine(utf8(options.key)), isInFile ? "configuration" : "-k");
  }
  if (options.keyFile !== undefined) {
    return keyOf(await readSecretFile(options.keyFile, KEY, context, host), "--key-file");
  }
  const envFile = host.env.get("TTUN_KEY_FILE");
  if (envFile !== undefined) {
    return keyOf(await readSecretFile(envFile, KEY, context, host), "TTUN_KEY_FILE");
  }
  // `$(cat FILE)` keeps the byte order mark and the CR of a file from Windows.
  if (fromEnv !== undefined) return keyOf(oneLine(utf8(fromEnv)), "TTUN_KEY");
  const credential = await abortable(readCredential(host), context.signal);
  if (credential !== undefined) return keyOf(credential, "credential");
  const usual = await abortable(readDefaultKey(host), context.signal);
  if (usual.key !== null) {
    context.log.info("key file", { path: usual.path });
    return keyOf(usual.key, "default file", `key file ${JSON.stringify(usual.path)}`);
  }
  if (host.terminal.isTerminal()) return keyOf(await promptFor(KEY, context, host), "prompt");
  throw noKey(usual.closed, usualKeyFile(host));
}

function handedSource({ [SOURCE_SECRET]: bytes }: Secrets): KeySource {
  // Written by `keySecrets`, in another process of the same program.
  return new TextDecoder().decode(bytes) as KeySource;
}

/** Nobody has given a key, and none lies where one is looked for. */
export class NoKey extends TtunError {}

function noKey(closed: readonly string[], file: string): NoKey {
  const [one] = closed;
  if (one !== undefined) {
    return new NoKey(
      "privilege",
      `There is no key of this user's, and ${JSON.stringify(one)} is not this user's to read; ` +
        "give --key-file FILE, or run ttun as a user who may read that one",
    );
  }
  return new NoKey(
    "usage",
    `There is no key: ttun genkey > ${file} makes one where it is looked for (after ` +
      `mkdir -p ${file.replace(/\/[^/]*$/, "")}); copy it to the other machine. Other ` +
      "ways: --key-file FILE, /etc/ttun/key, -k, TTUN_KEY_FILE, TTUN_KEY, the systemd credential " +
      CREDENTIAL,
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

function keyOf(key: Uint8Array, source: KeySource, name: string = source): ResolvedKey {
  if (key.length === 0) {
    throw new TtunError("usage", `The key from ${name} is empty; ttun genkey makes one`);
  }
  if (!isUtf8(key)) throw notUtf8(name);
  return { key, source };
}

function notUtf8(source: string): TtunError {
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
    // The decoder reports invalid text only in this way.
    return false;
  }
}

/** Accepts a missing file, as the directory may be there for other secrets. */
async function readCredential(host: KeyEnvironment): Promise<Uint8Array | undefined> {
  const directory = host.env.get("CREDENTIALS_DIRECTORY");
  if (directory === undefined || directory === "") return undefined;
  const read = (name: string) => readCredentialFile(`${directory}/${name}`, KEY, host);
  const own = await read(OWN_CREDENTIAL);
  return own !== undefined && own.length > 0 ? own : await read(CREDENTIAL);
}
