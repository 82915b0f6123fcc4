import { readFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Change, Journal } from "../changes/journal.ts";
import { ownNetwork } from "../changes/process_identity.ts";
import { SharedLock } from "../changes/shared_lock.ts";
import { sysctlsOfOthers, type SysctlStep } from "../changes/others.ts";
import { readSysctl, writeSysctl } from "../changes/sysctl.ts";
import { undoStep } from "../changes/undo.ts";

const ROOT = { 4: "/proc/sys/net/ipv4/", 6: "/proc/sys/net/ipv6/" } as const;
const SWITCH = { 4: `${ROOT[4]}ip_forward`, 6: `${ROOT[6]}conf/all/forwarding` } as const;

/** A line for each link has some 130 bytes. */
const MOST_BYTES = 1024 * 1024;

export interface ForwardingOptions {
  readonly libc: Libc;
  readonly journal: Journal;
  /** The journal's folder. */
  readonly folder: string;
}

/**
 * Lets the kernel forward packets. Dispose puts its settings back as far as they are as this made
 * them and no other ttun needs them.
 */
export class Forwarding implements Disposable {
  readonly #o: ForwardingOptions;
  readonly #lock: SharedLock;
  readonly #changes: Change[] = [];

  /** `links6` have the ways of IPv6 to the internet, or another default route. @throws the system's refusal */
  constructor(o: ForwardingOptions, families: readonly (4 | 6)[], links6: readonly string[]) {
    this.#o = o;
    const { folder, journal, libc } = o;
    const network = ownNetwork(libc).replaceAll(/[^0-9A-Za-z]+/g, "-");
    this.#lock = new SharedLock(folder, `forwarding-${network}`, libc);
    try {
      for (const setting of families.flatMap((family) => settingsFor(o, family, links6))) {
        const { path, after } = setting.undo;
        const isSet = setting.isFollowed || readSysctl(libc, path) === after;
        const change = () => {
          if (!isSet) writeSysctl(libc, path, after);
        };
        this.#changes.push(journal.make(setting.undo, change));
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
      if (isLast) undoStep(step, this.#o.libc, null);
      forget();
    }
  }
}

interface Setting {
  readonly undo: SysctlStep;
  /** The kernel changes it by itself with the switch, and only its undoing is ours. */
  readonly isFollowed: boolean;
}

/** Returns what is to be set, the switch last: it is the first to be put back. */
function settingsFor(
  { folder, libc }: ForwardingOptions,
  family: 4 | 6,
  links6: readonly string[],
): Setting[] {
  const path = SWITCH[family];
  const before = readSysctl(libc, path);
  if (before === null) return []; // a kernel without this family
  if (before !== "0") {
    const theirs = sysctlsOfOthers(libc, folder).find((steps) =>
      steps.some((step) => step.path === path)
    );
    const ofFamily = theirs?.filter((step) => step.path.startsWith(ROOT[family])) ?? [];
    return ofFamily.map((undo) => ({ undo, isFollowed: true }));
  }
  const set = (at: string, before: string, after: string): Setting => ({
    undo: { kind: "sysctl", path: at, before, after },
    isFollowed: false,
  });
  return [
    ...followers(libc, family),
    // With forwarding the kernel drops the default routes that routers advertise, unless it is 2.
    ...(family === 4 ? [] : links6)
      .map((link) => `${ROOT[6]}conf/${link}/accept_ra`)
      .filter((at) => readSysctl(libc, at) === "1")
      .map((at) => set(at, "1", "2")),
    set(path, before, "1"),
  ];
}

/**
 * The switch sets these for all links, also when it goes back to 0: those that had another value
 * before get it again after that (inet_forward_change in the kernel's devinet.c).
 */
function followers(libc: Libc, family: 4 | 6): Setting[] {
  const conf = `${ROOT[family]}conf`;
  const follower = (path: string, usual: string): Setting[] => {
    const before = readSysctl(libc, path);
    if (before === null || before === usual) return [];
    const undo: SysctlStep = { kind: "sysctl", path, before, after: usual };
    return [{ undo, isFollowed: true }];
  };
  const links = ["default", ...linkNames(libc)];
  return [
    ...(family === 4 ? follower(`${conf}/all/accept_redirects`, "1") : []),
    ...links.flatMap((name) => follower(`${conf}/${name}/forwarding`, "0")),
  ];
}

function linkNames(libc: Libc): string[] {
  const bytes = readFile(libc, "/proc/net/dev", MOST_BYTES) ?? new Uint8Array();
  const lines = new TextDecoder().decode(bytes).split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()).filter((name) => name);
}
