import { scrypt } from "node:crypto";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { denoKeyEnvironment, type KeyEnvironment } from "../secrets/key_environment.ts";
import { promptFor, readSecretFile, type SecretKind } from "../secrets/secret_file.ts";

const PASSPHRASE: SecretKind = {
  file: "passphrase file",
  question: "Passphrase of the authority: ",
};

const VARIABLE = "TTUN_MESH_PASSPHRASE";

/** Its name among the secrets that a process in the foreground hands over. */
const HANDED = "mesh passphrase";

/** Characters; the key that it seals makes members of the cluster. */
const SHORTEST = 12;

/** Costs of scrypt (RFC 7914): 64 MiB, some 0.2 s. */
const COSTS = { N: 2 ** 16, r: 8, p: 1, maxmem: 128 << 20 };

/** Packs a passphrase for a process in the background, whose own `takePassphrase` takes it. */
export function passphraseSecrets(passphrase: string | null | undefined): Secrets {
  return passphrase === null || passphrase === undefined ? {} : { [HANDED]: utf8(passphrase) };
}

/** Packs what the environment has for a node that another program starts from a file. */
export function passphraseOfVariable(variable: (name: string) => string | undefined): Secrets {
  return passphraseSecrets(variable(VARIABLE));
}

/**
 * Returns the passphrase of a process in the foreground, a file or the environment; else null, or with
 * `needed`, the words for what it is needed for, that of a prompt. @throws {TtunError} usage, privilege
 */
export async function takePassphrase(
  { passphraseFile }: { readonly passphraseFile: string | undefined },
  needed: string | null,
  context: Pick<RunContext, "signal" | "background">,
  host: KeyEnvironment = denoKeyEnvironment,
): Promise<string | null> {
  const handed = context.background?.secrets[HANDED];
  const ofEnvironment = host.env.get(VARIABLE);
  if (ofEnvironment !== undefined) host.env.forget(VARIABLE);
  if (handed !== undefined) return whole(new TextDecoder().decode(handed));
  if (passphraseFile !== undefined) {
    const bytes = await readSecretFile(passphraseFile, PASSPHRASE, context, host);
    return whole(new TextDecoder().decode(bytes));
  }
  if (ofEnvironment !== undefined) return whole(ofEnvironment);
  if (needed === null) return null;
  if (host.terminal.isTerminal()) {
    return whole(new TextDecoder().decode(await promptFor(PASSPHRASE, context, host)));
  }
  throw new TtunError(
    "usage",
    `${needed}: give the passphrase by --passphrase-file or ${VARIABLE}`,
  );
}

function whole(passphrase: string): string {
  if ([...passphrase].length >= SHORTEST) return passphrase;
  throw new TtunError(
    "usage",
    `Cannot use this passphrase: give ${SHORTEST} characters at least, such as ttun genkey prints`,
  );
}

/** Works out 32 bytes. @throws {TtunError} exhausted */
export async function passphraseKey(passphrase: string, salt: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  scrypt(utf8(passphrase.normalize("NFC")), salt, 32, COSTS, (error, key) => {
    if (error === null) return resolve(new Uint8Array(key));
    const words = "Cannot work out the key of the passphrase: too little memory";
    reject(new TtunError("exhausted", words, { cause: error }));
  });
  return await promise;
}
