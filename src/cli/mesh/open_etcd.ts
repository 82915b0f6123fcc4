import { EtcdStore } from "../../app/mesh/store/etcd_store.ts";
import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import { EtcdGateway, parseEtcdUrl } from "../../io/mesh/etcd_gateway.ts";
import type { Secrets } from "../background/handover.ts";
import type { RunContext } from "../command/context.ts";
import { rng } from "../platform/rng.ts";
import { denoKeyEnvironment } from "../secrets/key_environment.ts";
import { readSecretFile, type SecretKind } from "../secrets/secret_file.ts";
import { readKept } from "../tox/kept_file.ts";

const PASSWORD: SecretKind = { file: "password file", question: "Password of etcd: " };

/** Its name among the secrets of a process in the background. */
const HANDED = "store-password";

/** Bytes of a file with certificates. */
const MOST = 1024 * 1024;

/** Access to an etcd cluster; it may cross to the data plane's Worker. */
export interface EtcdAccess {
  readonly endpoints: readonly string[];
  /** Of all keys there. */
  readonly prefix: string;
  readonly login: { readonly name: string; readonly password: string } | null;
  /** PEM. */
  readonly ca: string | null;
}

export interface EtcdFlags {
  readonly store: string | undefined;
  readonly storeUser: string | undefined;
  readonly storePasswordFile: string | undefined;
  readonly storeCa: string | undefined;
}

/** Reads what the options say of an etcd; null = they name none. @throws {TtunError} */
export async function etcdAccess(
  flags: EtcdFlags,
  context: RunContext,
): Promise<EtcdAccess | null> {
  const { store, storeUser: name, storePasswordFile, storeCa } = flags;
  if (store === undefined) return null;
  const { endpoints, prefix } = parseEtcdUrl(store);
  if ((name === undefined) !== (storePasswordFile === undefined)) {
    throw new TtunError("usage", "Give both --store-user and --store-password-file, or neither");
  }
  const login = name === undefined || storePasswordFile === undefined ? null : {
    name,
    password: new TextDecoder().decode(
      context.background?.secrets[HANDED] ?? await readPassword(storePasswordFile, context),
    ),
  };
  return {
    endpoints,
    prefix,
    login,
    ca: storeCa === undefined ? null : readPem(storeCa, "store-ca"),
  };
}

/** Returns what a process in the background is handed, as it has no standard input. @throws {TtunError} */
export async function storeSecrets(
  { storePasswordFile }: Pick<EtcdFlags, "storePasswordFile">,
  context: RunContext,
): Promise<Secrets> {
  if (storePasswordFile === undefined) return {};
  return { [HANDED]: await readPassword(storePasswordFile, context) };
}

async function readPassword(path: string, context: RunContext): Promise<Uint8Array> {
  return await readSecretFile(path, PASSWORD, context, denoKeyEnvironment);
}

export function openEtcd({ endpoints, prefix, login, ca }: EtcdAccess, clock: Clock): EtcdStore {
  const gateway = new EtcdGateway({
    endpoints,
    ...login === null ? {} : { login },
    ...ca === null ? {} : { ca },
  });
  return new EtcdStore(gateway, { clock, rng, prefix });
}

/** @throws {TtunError} usage */
export function readPem(path: string, option: string): string {
  const kept = readKept(path, MOST, "the authorities");
  const text = kept === null ? "" : new TextDecoder().decode(kept.bytes);
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new TtunError("usage", `Cannot use ${path} as --${option}: it has no certificate in PEM`);
}
