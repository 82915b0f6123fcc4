import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Change, Journal } from "./journal.ts";
import { sysctlsOfOthers, type SysctlStep } from "./others.ts";
import { ownNetwork } from "./process_identity.ts";
import { SharedLock } from "./shared_lock.ts";
import { readSysctl, writeSysctl } from "./sysctl.ts";
import { undoStep } from "./undo.ts";

export interface SharedSettingsOptions {
  readonly libc: Libc;
  readonly journal: Journal;
  /** The journal's folder. */
  readonly folder: string;
}

export interface SharedSetting {
  readonly undo: SysctlStep;
  /** It has that value already, or gets it with another one: only its undoing is ours. */
  readonly isFollowed: boolean;
}

/**
 * Settings of the kernel that several ttuns of a network may need. Dispose puts them back, the last
 * first, as far as they are as ttun made them and no other ttun needs them.
 */
export class SharedSettings implements Disposable {
  readonly #libc: Libc;
  readonly #lock: SharedLock;
  readonly #changes: Change[] = [];

  /**
   * `name`: of what they are for. `wanted` is called when no other ttun is about to put them back.
   * @throws the system's refusal
   */
  constructor(
    { libc, journal, folder }: SharedSettingsOptions,
    name: string,
    wanted: () => readonly SharedSetting[],
  ) {
    this.#libc = libc;
    const network = ownNetwork(libc).replaceAll(/[^0-9A-Za-z]+/g, "-");
    this.#lock = new SharedLock(folder, `${name}-${network}`, libc);
    try {
      for (const { undo, isFollowed } of wanted()) {
        const { path, after } = undo;
        const isSet = isFollowed || readSysctl(libc, path) === after;
        const change = () => {
          if (!isSet) writeSysctl(libc, path, after);
        };
        this.#changes.push(journal.make(undo, change));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Returns true if a setting was changed, or is another ttun's. */
  get isOurs(): boolean {
    return this.#changes.length > 0;
  }

  [Symbol.dispose](): void {
    using lock = this.#lock;
    const isLast = lock.isLast();
    for (const { step, forget } of this.#changes.splice(0).toReversed()) {
      if (isLast) undoStep(step, this.#libc, null);
      forget();
    }
  }
}

/** One setting, which stays as it is if an administrator has set it, or the kernel has none. */
export function sharedSetting(
  o: SharedSettingsOptions,
  path: string,
  after: string,
): SharedSettings {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return new SharedSettings(o, name, () => {
    const present = readSysctl(o.libc, path);
    const isFollowed = present === after;
    const before = isFollowed ? beforeOthers(o, path) : present;
    return before === null ? [] : [{ undo: { kind: "sysctl", path, before, after }, isFollowed }];
  });
}

/** Returns what another ttun found there; null = none has changed it. */
function beforeOthers({ libc, folder }: SharedSettingsOptions, path: string): string | null {
  const theirs = sysctlsOfOthers(libc, folder).flat();
  return theirs.find((step) => step.path === path)?.before ?? null;
}
