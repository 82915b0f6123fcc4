import { KeyRing } from "../../app/link/key_ring.ts";
import { StrangerBudget } from "../../app/link/stranger_budget.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { Clock } from "../../contract/host.ts";
import { PUBLIC_ACCESS } from "../../core/gateway/access_key.ts";
import { accessState, type KeptAccess, readAccess } from "./access_folder.ts";

/** Milliseconds between two looks at the access keys: one that is revoked counts no longer then. */
const LOOK_MS = 1_000;

export interface KeptAccessOptions {
  /** The agent's folder, which has the keys. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Works out the secret of a key. */
  readonly linkSecret: (key: Uint8Array) => Promise<Uint8Array>;
}

/** The access keys of an agent's services, which follow their file. */
export class KeptAccessKeys implements Disposable {
  readonly #o: KeptAccessOptions;
  readonly #budget: StrangerBudget;
  /** Of services that are not public. */
  readonly #rings = new Map<string, KeyRing>();
  /** The secret of the one key that all public services have. */
  #publicSecret: Promise<Uint8Array> | null = null;
  #keys: readonly KeptAccess[];
  #state: string;
  #timer: Disposable;

  /** @throws {TtunError} privilege, usage, protocol, if the file cannot be read */
  constructor(o: KeptAccessOptions) {
    const { clock, folder } = o;
    this.#o = o;
    this.#state = accessState(folder);
    this.#keys = readAccess(folder);
    this.#budget = new StrangerBudget({ clock, preciseNow: () => performance.now() });
    this.#timer = clock.after(LOOK_MS, this.#look);
  }

  /** Returns the keys of a service, in place of those that it had before. */
  ringOf(name: string, isPublic: boolean): KeyRing {
    const { clock, log } = this.#o;
    const keys = isPublic ? [{ name: "", password: PUBLIC_ACCESS }] : this.#keysOf(name);
    const ring = new KeyRing(keys, { clock, budget: this.#budget });
    if (isPublic) {
      this.#work(ring, () => this.#secretOfPublic());
      return ring;
    }
    if (keys.length === 0) {
      log.warn("Nobody can reach the service: ttun mesh access makes keys for it", { name });
    }
    this.#rings.set(name, ring);
    this.#work(ring, keptSecret);
    return ring;
  }

  /** The service with the ring is no longer there. */
  forget(name: string, ring: KeyRing): void {
    if (this.#rings.get(name) === ring) this.#rings.delete(name);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#budget[Symbol.dispose]();
  }

  #keysOf(name: string): NamedKey[] {
    return this.#keys.filter((key) => key.name === name)
      .map(({ label, secret }) => ({ name: label, password: secret }));
  }

  async #secretOfPublic(): Promise<Uint8Array> {
    try {
      return await (this.#publicSecret ??= this.#o.linkSecret(PUBLIC_ACCESS));
    } catch (error) {
      this.#publicSecret = null; // the next service tries again
      throw error;
    }
  }

  #work(ring: KeyRing, secretOf: (key: NamedKey) => Promise<Uint8Array>): void {
    const { log, signal } = this.#o;
    ring.run(secretOf).catch((error) => {
      if (!signal.aborted) log.error(toTtunError(error).message);
    });
  }

  readonly #look = (): void => {
    const { clock, folder, log } = this.#o;
    this.#timer = clock.after(LOOK_MS, this.#look);
    const state = accessState(folder);
    if (state === this.#state) return;
    this.#state = state;
    try {
      this.#keys = readAccess(folder);
    } catch (error) {
      return log.warn("Cannot read the access keys now", { why: toTtunError(error).message });
    }
    for (const [name, ring] of this.#rings) {
      ring.replace(this.#keysOf(name));
      this.#work(ring, keptSecret);
    }
    log.info("The access keys are others now", { keys: this.#keys.length });
  };
}

/** The file has secrets that were worked out already. */
function keptSecret({ password }: NamedKey): Promise<Uint8Array> {
  return Promise.resolve(password);
}
