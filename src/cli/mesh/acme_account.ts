import { decodeBase64Url } from "../../base/base64url.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { ExternalAccount } from "../../core/acme/jws.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";

const ACCOUNT: SecretKind = { file: "account file", question: "Account: " };

const VARIABLE = "TTUN_MESH_ACME_ACCOUNT";

/** Its name among the secrets that a process in the foreground hands over. */
const HANDED = "acme-account";

/** Returns what a process in the background is handed. @throws {TtunError} usage, privilege */
export async function acmeSecrets(
  flags: { readonly acmeAccountFile: string | undefined },
  context: RunContext,
): Promise<Secrets> {
  const text = await readAccount(flags, context, denoKeyEnvironment);
  return text === null ? {} : { [HANDED]: utf8(text) };
}

/** Packs what the environment has for a node that another program starts from a file. */
export function acmeOfVariable(variable: (name: string) => string | undefined): Secrets {
  const text = variable(VARIABLE);
  return text === undefined ? {} : { [HANDED]: utf8(text) };
}

/** Returns the account that the authority gave; null = none. @throws {TtunError} usage, privilege */
export async function externalAccount(
  flags: { readonly acmeAccountFile: string | undefined },
  context: RunContext,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<ExternalAccount | null> {
  const handed = context.background?.secrets[HANDED];
  const text = handed === undefined
    ? await readAccount(flags, context, host)
    : new TextDecoder().decode(handed);
  return text === null ? null : parseAccount(text);
}

async function readAccount(
  { acmeAccountFile: file }: { readonly acmeAccountFile: string | undefined },
  context: RunContext,
  host: KeyEnvironment,
): Promise<string | null> {
  const ofEnvironment = host.env.get(VARIABLE);
  if (ofEnvironment !== undefined) host.env.forget(VARIABLE);
  if (file === undefined) return ofEnvironment ?? null;
  return new TextDecoder().decode(await readSecretFile(file, ACCOUNT, context, host));
}

/** @throws {TtunError} usage */
export function parseAccount(text: string): ExternalAccount {
  const [, id, key] = /^([!-~]{1,256})\s+([A-Za-z0-9_-]{16,512})=*$/.exec(text.trim()) ?? [];
  const bytes = key === undefined ? null : decodeBase64Url(key);
  if (id !== undefined && bytes !== null) return { id, key: bytes };
  throw new TtunError(
    "usage",
    "Cannot read the account for --acme: write the id and the key (base64url), with a blank between",
  );
}
