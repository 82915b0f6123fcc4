import { TtunError } from "../../base/errors.ts";
import { formatPasswordHash, hashPassword } from "../../core/gateway/password_hash.ts";
import type { RunContext } from "../command/context.ts";
import { print } from "../output/stdout.ts";
import { rng } from "../platform/rng.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { nodeScrypt } from "./node_scrypt.ts";
import type { PasswordFlags } from "./options.ts";

const PASSWORD: SecretKind = { file: "password file", question: "Password: " };

/** Prints a line for a file of logins, with the password's hash. @throws {TtunError} */
export async function runPassword(
  { name, passwordFile = "-" }: PasswordFlags,
  context: RunContext,
): Promise<number> {
  const password = await readSecretFile(passwordFile, PASSWORD, context, denoKeyEnvironment);
  if (password.length === 0) throw new TtunError("usage", "Cannot use the password: it is empty");
  const hash = formatPasswordHash(hashPassword(password, rng(16), nodeScrypt));
  await print(`${name}:${hash}\n`, context.signal);
  return 0;
}
