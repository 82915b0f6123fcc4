import { utf8 } from "../../base/bytes.ts";
import { PUBLIC_ACCESS, readAccessKey } from "../../core/gateway/access_key.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { readVariable } from "../platform/variables.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";

const ACCESS: SecretKind = { file: "access file", question: "Access key: " };
const VARIABLE = "TTUN_ACCESS";

/** The key's name among secrets that a process in the foreground hands over. */
const ACCESS_SECRET = "access";

/**
 * Takes the access key of a process in the foreground, a file, standard input, a prompt or TTUN_ACCESS;
 * null = there is none, as for public services. @throws {TtunError} usage, privilege
 */
export async function takeAccess(
  file: string | undefined,
  context: Pick<RunContext, "signal" | "background">,
): Promise<Uint8Array | null> {
  const host = denoKeyEnvironment;
  const ofEnvironment = readVariable(VARIABLE);
  if (ofEnvironment !== undefined) host.env.forget(VARIABLE);
  const handed = context.background?.secrets[ACCESS_SECRET];
  const bytes = handed ??
    (file === undefined ? undefined : await readSecretFile(file, ACCESS, context, host));
  const text = bytes === undefined ? ofEnvironment : new TextDecoder().decode(bytes);
  return text === undefined ? null : readAccessKey(text);
}

/** Packs a key for a process in the background. */
export function accessSecrets(key: Uint8Array | null): Secrets {
  return key === null ? {} : { [ACCESS_SECRET]: key };
}

/** Packs that of the environment. */
export function accessOfVariable(variable: (name: string) => string | undefined): Secrets {
  const text = variable(VARIABLE);
  return text === undefined ? {} : { [ACCESS_SECRET]: utf8(text) };
}

/** Returns the key of the link; null = the one of public services. */
export function linkKeyOf(key: Uint8Array | null): Uint8Array {
  return key ?? PUBLIC_ACCESS;
}
