import type { NamedKey } from "../../base/named_key.ts";
import type { Logger } from "../../base/log.ts";
import { KeptSecrets, MOST_SECRET_BYTES, SALT_SIZE } from "../../core/link/v2/kept_secrets.ts";
import type { Revocable } from "../platform/permissions.ts";
import { rng } from "../platform/rng.ts";
import {
  makeStateFor,
  mayKeepState,
  NO_STATE_PERMISSION,
  readState,
  stateDirectory,
  writeState,
} from "../platform/state_file.ts";
import { linkSecret } from "./link_secret.ts";

/** Permissions that writing takes. */
export const STORE_NEEDS: readonly Revocable[] = ["read", "write", "sys"];

const FILE = "key-secrets";

/** Milliseconds until new secrets, and until mere uses of keys, are written down. */
const NEW_MS = 1_000;
const USED_MS = 30_000;

/**
 * Secrets of version 2 of a server's keys: they are worked out once, and kept in the state directory
 * for later starts.
 */
export class SecretStore implements Disposable {
  readonly #directory: string | null;
  readonly #log: Logger;
  readonly #kept: KeptSecrets;
  #problem: string | null = null;
  #timer: { readonly id: ReturnType<typeof setTimeout>; readonly at: number } | null = null;

  constructor(log: Logger, directory: string | null = stateDirectory()) {
    this.#directory = directory;
    this.#log = log;
    const isReadable = directory !== null && mayKeepState(directory);
    const text = isReadable ? readState(directory, FILE, MOST_SECRET_BYTES) : "";
    this.#kept = new KeptSecrets(text, rng(SALT_SIZE));
  }

  /** Has the directory belong to the user that the program becomes; null = it stays who it is. */
  makeFor(user: { readonly uid: number; readonly gid: number } | null): void {
    if (user !== null && this.#directory !== null) makeStateFor(this.#directory, user);
  }

  /** Returns the keys in the order in which clients are likely to come: those used last first. */
  order(keys: readonly NamedKey[]): NamedKey[] {
    const used = new Map(keys.map((key) => [key, this.#kept.usedAt(key.password)]));
    return [...keys].sort((a, b) => used.get(b)! - used.get(a)!);
  }

  /** @throws {TtunError} exhausted */
  async secretOf(key: Uint8Array): Promise<Uint8Array> {
    const known = this.#kept.get(key);
    if (known !== undefined) return known;
    const secret = await linkSecret(key);
    this.#kept.keep(key, secret, Date.now());
    this.#writeWithin(NEW_MS);
    return secret;
  }

  readonly keyUsed = (key: Uint8Array): void => {
    this.#kept.use(key, Date.now());
    this.#writeWithin(USED_MS);
  };

  #writeWithin(ms: number): void {
    const at = performance.now() + ms;
    if (this.#timer !== null && this.#timer.at <= at) return;
    if (this.#timer !== null) clearTimeout(this.#timer.id);
    this.#timer = { id: setTimeout(() => this.#flush(), ms), at };
  }

  /** Logs each reason for a failure once. */
  #flush(): void {
    this.#timer = null;
    const problem = this.#write();
    if (problem !== null && problem !== this.#problem) {
      this.#log.info("cannot keep what is worked out of the keys for the next start", {
        why: problem,
      });
    }
    this.#problem = problem;
  }

  #write(): string | null {
    if (this.#directory === null) return "there is no HOME and no STATE_DIRECTORY";
    if (!mayKeepState(this.#directory)) return NO_STATE_PERMISSION;
    this.#kept.add(readState(this.#directory, FILE, MOST_SECRET_BYTES));
    return writeState(this.#directory, FILE, this.#kept.write(Date.now()));
  }

  /** Writes what is not written yet. */
  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer.id);
    this.#flush();
  }
}
