import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import type { ToxFlags } from "./options.ts";

const SECRET: SecretKind = { file: "secret file", question: "Secret: " };

/** The first that is there counts; the second is tuntox's. */
const VARIABLES = ["TTUN_TOX_SECRET", "TUNTOX_SHARED_SECRET"] as const;

/** Names among the secrets that a process in the foreground hands over. */
const HANDED = "tox secret";
const HANDED_VARIABLE = "tox secret of tuntox's variable";

/** Packs a secret for a process in the background, whose own `toxSecret` takes it. */
export function toxSecrets(secret: string | null): Secrets {
  return secret === null ? {} : { [HANDED]: utf8(secret) };
}

/** Packs what the environment has for an end that another program starts from a file. */
export function toxSecretsOfVariables(variable: (name: string) => string | undefined): Secrets {
  const [own, theirs] = VARIABLES.map(variable);
  if (own !== undefined) return toxSecrets(own); // it counts before the file
  return theirs === undefined ? {} : { [HANDED_VARIABLE]: utf8(theirs) };
}

/**
 * Returns the secret that both ends have, of `-s`, `--secret-file`, the file of hosts (`ofHost`) or a
 * variable, or that of a process in the foreground; null = there is none. @throws {TtunError} usage, for an empty one; privilege
 */
export async function toxSecret(
  { secret, secretFile }: Pick<ToxFlags, "secret" | "secretFile">,
  context: Pick<RunContext, "signal" | "log" | "secretsHidden" | "fileSecrets" | "background">,
  ofHost: string | null = null,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<string | null> {
  const name = VARIABLES.find((name) => host.env.get(name) !== undefined);
  const fromEnv = name === undefined ? undefined : host.env.get(name);
  for (const name of VARIABLES) if (host.env.get(name) !== undefined) host.env.forget(name);
  const { [HANDED]: handed, [HANDED_VARIABLE]: variable } = context.background?.secrets ?? {};
  if (handed !== undefined) return whole(text(handed), VARIABLES[0]);
  if (secret !== undefined) {
    if (context.fileSecrets?.has("secret") === true) return whole(secret, "the configuration");
    warnOfArgument(context);
    return whole(secret, "-s");
  }
  if (secretFile === undefined) {
    if (ofHost !== null) return ofHost;
    if (variable !== undefined) return whole(text(variable), VARIABLES[1]);
    return fromEnv === undefined ? null : whole(fromEnv, name!);
  }
  const bytes = await readSecretFile(secretFile, SECRET, context, host);
  try {
    return whole(new TextDecoder("utf-8", { fatal: true }).decode(bytes), "--secret-file");
  } catch (error) {
    if (error instanceof TtunError) throw error;
    throw new TtunError("usage", "The secret from --secret-file is not UTF-8 text");
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function warnOfArgument({ secretsHidden, log }: Pick<RunContext, "log" | "secretsHidden">): void {
  const sight = secretsHidden ? "was visible until ttun hid it" : "is visible";
  log.warn(
    `The secret given by -s ${sight} in process lists, and a shell's history may keep it; use ` +
      `--secret-file or ${VARIABLES[0]}`,
  );
}

function whole(secret: string, source: string): string {
  if (secret !== "") return secret;
  throw new TtunError("usage", `The secret from ${source} is empty`);
}
