import { TtunError } from "../../base/errors.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import type { ToxFlags } from "./options.ts";

const SECRET: SecretKind = { file: "secret file", question: "Secret: " };

/** The first that is there counts; the second is tuntox's. */
const VARIABLES = ["TTUN_TOX_SECRET", "TUNTOX_SHARED_SECRET"] as const;

/**
 * Returns the secret that both ends have, of `-s`, `--secret-file`, the file of hosts (`ofHost`) or a
 * variable; null = there is none. @throws {TtunError} usage, for an empty one; privilege
 */
export async function toxSecret(
  { secret, secretFile }: Pick<ToxFlags, "secret" | "secretFile">,
  context: Pick<RunContext, "signal" | "log" | "secretsHidden">,
  ofHost: string | null = null,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<string | null> {
  const name = VARIABLES.find((name) => host.env.get(name) !== undefined);
  const fromEnv = name === undefined ? undefined : host.env.get(name);
  for (const name of VARIABLES) if (host.env.get(name) !== undefined) host.env.forget(name);
  if (secret !== undefined) {
    const sight = context.secretsHidden ? "was visible until ttun hid it" : "is visible";
    context.log.warn(
      `The secret given by -s ${sight} in process lists, and a shell's history may keep it; use ` +
        `--secret-file or ${VARIABLES[0]}`,
    );
    return whole(secret, "-s");
  }
  if (secretFile === undefined) {
    if (ofHost !== null) return ofHost;
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

function whole(secret: string, source: string): string {
  if (secret !== "") return secret;
  throw new TtunError("usage", `The secret from ${source} is empty`);
}
