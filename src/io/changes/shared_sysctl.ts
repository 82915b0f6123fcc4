import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Change, Journal } from "./journal.ts";
import { sysctlsOfOthers } from "./others.ts";
import { ownNetwork } from "./process_identity.ts";
import { SharedLock } from "./shared_lock.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import { undoStep } from "./undo.ts";

export interface SharedSysctlOptions {
  readonly libc: Libc;
  readonly journal: Journal;
  /** The journal's folder. */
  readonly folder: string;
}

/**
 * A setting that several ttuns of a network may need. Dispose puts it back as far as it is as ttun
 * made it and no other ttun needs it.
 */
export class SharedSysctl implements Disposable {
  readonly #libc: Libc;
  readonly #lock: SharedLock;
  readonly #change: Change | null = null;

  /** A kernel without the setting is left as it is. @throws the system's refusal */
  constructor({ libc, journal, folder }: SharedSysctlOptions, path: string, after: string) {
    this.#libc = libc;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const network = ownNetwork(libc).replaceAll(/[^0-9A-Za-z]+/g, "-");
    this.#lock = new SharedLock(folder, `${name}-${network}`, libc);
    try {
      const present = readSysctl(libc, path);
      if (present === null) return;
      const isSet = present === after;
      const before = isSet ? beforeOthers(libc, folder, path) : present;
      if (before === null) return; // an administrator has set it
      const step = { kind: "sysctl", path, before, after } as const;
      this.#change = journal.make(step, () => {
        if (!isSet) writeSysctl(libc, path, after);
      });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    using lock = this.#lock;
    const isLast = lock.isLast();
    if (this.#change === null) return;
    if (isLast) undoStep(this.#change.step, this.#libc, null);
    this.#change.forget();
  }
}

/** Returns what another ttun found there; null = none has changed it. */
function beforeOthers(libc: Libc, folder: string, path: string): string | null {
  const theirs = sysctlsOfOthers(libc, folder).flat();
  return theirs.find((step) => step.path === path)?.before ?? null;
}
