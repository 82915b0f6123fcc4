import { TtunError } from "../../base/errors.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { CAP_NET_ADMIN, hasCapability } from "../../../ffi/linux/capabilities.ts";
import type { Change, Journal } from "../changes/journal.ts";
import { canRun, mustRun } from "../changes/run_program.ts";
import { runCommand } from "./command_steps.ts";
import { feedProgram } from "./feed_program.ts";
import { readSysctl } from "../changes/sysctl.ts";
import { undoStep } from "../changes/undo.ts";
import type { UndoStep } from "../changes/undo_step.ts";

/** Programs of the packet filter; null = there is none that works. */
export type FilterProgram = "nft" | "iptables";

/** @throws {TtunError} privilege, if Deno lets ttun run none of them */
export function findFilterProgram(): FilterProgram | null {
  const nft = attempt(["nft", "list", "tables"]);
  if (nft === true) return "nft";
  const iptables = attempt(["iptables", "-w", "-n", "-L", "OUTPUT"]);
  if (iptables === true) return "iptables";
  if (nft instanceof TtunError) throw nft;
  return null;
}

/** Returns false, or the refusal of Deno, if the program cannot be run. */
function attempt(command: readonly string[]): boolean | TtunError {
  try {
    return canRun(command);
  } catch (error) {
    if (error instanceof TtunError) return error;
    throw error;
  }
}

/** Rules for one of the programs; applied again, they take the place of the earlier ones. */
export interface FilterRules {
  readonly steps: readonly UndoStep[];
  /** Puts the rules in place for a step, in one transaction. @throws {TtunError} */
  apply(step: UndoStep): void;
  /** Returns what the program lists of them, which others' changes of them change. */
  list(): string;
}

/**
 * Rules of the packet filter that are taken away on purpose alone: they outlive a process that fails
 * or is killed. Its owner calls `remove`.
 */
export class FilterChanges {
  readonly #libc: Libc;
  readonly #changes: Change[] = [];
  #rules: FilterRules;
  /** The rules as they were listed when they had been put in place. */
  #listed = "";

  /** @throws {TtunError} privilege, system */
  constructor(libc: Libc, journal: Journal, rules: FilterRules, o: { outlives: boolean }) {
    this.#libc = libc;
    this.#rules = rules;
    try {
      for (const step of rules.steps) {
        this.#changes.push(journal.make(step, () => rules.apply(step), o));
      }
      this.#listed = rules.list();
    } catch (error) {
      try {
        this.remove();
      } catch (second) {
        if (!(second instanceof Error)) throw second; // what stays is in the journal
      }
      throw error;
    }
  }

  /** Puts other rules in their place. @throws {TtunError} */
  replace(rules: FilterRules): void {
    this.#rules = rules;
    for (const step of rules.steps) rules.apply(step);
    this.#listed = rules.list();
  }

  /**
   * Puts them in place again if others have changed them or taken them away. Returns true if it was
   * so. @throws {TtunError} privilege, system
   */
  restore(): boolean {
    if (this.#rules.list() === this.#listed) return false;
    this.replace(this.#rules);
    return true;
  }

  /** Takes away all that can be. @throws {TtunError} privilege, system: the first failure */
  remove(): void {
    const failures: unknown[] = [];
    for (const { step, forget } of this.#changes.splice(0).toReversed()) {
      try {
        // A user who is not root any more may not look at others' journals.
        undoStep(step, this.#libc, null);
        forget();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

export function nftRules(table: string, text: string): FilterRules {
  const step: UndoStep = { kind: "nft", family: "inet", table };
  return {
    steps: [step],
    apply: () => feedProgram(["nft", "-f", "-"], text),
    list: () => listing(["nft", "list", "table", "inet", table]),
  };
}

/** Is there in a kernel that has IPv6. */
const IPV6_SETTING = "/proc/sys/net/ipv6/conf/all/disable_ipv6";

/** Returns the families of the kernel: a packet filter has no rules for one that is not there. */
export function ipFamilies(libc: Libc): readonly (4 | 6)[] {
  return readSysctl(libc, IPV6_SETTING) === null ? [4] : [4, 6];
}

/**
 * `families`: of the kernel. `texts`: the input of iptables-restore by family; `chains`: by the
 * built-in ones.
 */
export function iptablesRules(
  families: readonly (4 | 6)[],
  table: "filter" | "mangle" | "nat",
  chains: Readonly<Record<string, string>>,
  texts: Readonly<Record<4 | 6, string>>,
): FilterRules {
  const steps = families.map((family): UndoStep & { kind: "iptables" } => ({
    kind: "iptables",
    program: family === 4 ? "iptables" : "ip6tables",
    table,
    chains,
  }));
  return {
    steps,
    apply: (step) => {
      if (step.kind !== "iptables") return;
      const { program } = step;
      const text = texts[program === "iptables" ? 4 : 6];
      feedProgram([`${program}-restore`, "-w", "-n"], text);
      for (const [builtIn, chain] of Object.entries(chains)) {
        const jump = [builtIn, "-j", chain];
        if (canRun([program, "-w", "-t", table, "-C", ...jump])) continue;
        mustRun([program, "-w", "-t", table, "-I", ...jump]);
      }
    },
    list: () => {
      const names = Object.values(chains);
      const lines = steps.flatMap(({ program }) =>
        listing([program, "-w", "-t", table, "-S"]).split("\n")
      );
      return lines.filter((line) => names.some((name) => line.split(" ").includes(name))).join(
        "\n",
      );
    },
  };
}

/** Returns nothing if there is no such thing. @throws {TtunError} if the program cannot be run */
function listing(command: readonly string[]): string {
  const { code, output } = runCommand(command);
  return code === 0 ? output : "";
}

/** The error for `option` where there is no such program, or none that this user may use. */
export function noFilterProgram(option: string, libc: Libc): TtunError {
  if (!hasCapability(libc, CAP_NET_ADMIN)) {
    return new TtunError(
      "privilege",
      `Cannot set up ${option}: it takes root or CAP_NET_ADMIN; run ttun with sudo`,
    );
  }
  return new TtunError(
    "system",
    `Cannot set up ${option}: neither nft nor iptables works here; install the package ` +
      "nftables (sudo apt-get install nftables), and in a container allow it NET_ADMIN",
  );
}
