import { toHex, utf8 } from "../../../base/bytes.ts";
import { ProtocolError } from "../../../base/errors.ts";
import type { Rng } from "../../../contract/host.ts";
import type { Issuer, IssuerAccount } from "../../../contract/issuer.ts";
import type { Entry, MeshStore } from "../../../contract/mesh_store.ts";
import {
  decodeAccount,
  encodeAccount,
  type KeptAccount,
  openRecord,
  sealRecord,
} from "../../../core/gateway/certificate_record.ts";
import { derive } from "../../../core/link/v2/secrets.ts";

export interface KeepAccountOptions {
  readonly store: MeshStore;
  readonly issuer: Issuer;
  /** The authority's address. */
  readonly directory: string;
  readonly secrets: () => readonly Uint8Array[];
  readonly rng: Rng;
}

/** Key of an authority's account in the store. */
export function accountKey(directory: string): string {
  return `acme/${toHex(derive(null, "mesh acme account", utf8(directory)).subarray(0, 16))}`;
}

/**
 * Returns the cluster's account at an authority, which is made at first. `isForgotten`: the authority
 * knows the one of the store no more. @throws {IssuerError}; {MeshError}; the signal's reason
 */
export async function keepAccount(
  { store, issuer, directory, secrets, rng }: KeepAccountOptions,
  signal: AbortSignal,
  { isForgotten = false }: { readonly isForgotten?: boolean } = {},
): Promise<IssuerAccount> {
  const key = accountKey(directory);
  const read = (entry: Entry | null): KeptAccount | null => {
    if (entry === null) return null;
    try {
      return decodeAccount(openRecord(entry.value, { key, secrets: secrets() }).bytes);
    } catch (error) {
      if (error instanceof ProtocolError) return null; // another one takes its place
      throw error;
    }
  };
  const write = async (account: KeptAccount, over: Entry | null) => {
    const value = sealRecord(encodeAccount(account), { key, secret: secrets()[0]!, rng });
    const written = await store.put(key, value, { signal, if: over?.version ?? "absent" });
    return written.ok ? { ...over, key, value, version: written.version } : written.current;
  };
  let entry = await store.get(key, { signal });
  let account = read(entry);
  if (account === null) {
    // The key is kept before it is used: an account without its key would be lost.
    entry = await write({ seed: rng(32), url: null }, entry);
    account = read(entry);
  }
  if (account !== null && account.url !== null && !isForgotten) return account;
  const made = await issuer.register(account?.seed ?? rng(32), signal);
  await write(made, entry);
  return made;
}
