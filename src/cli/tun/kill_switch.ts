import {
  killSwitchIptables,
  killSwitchNft,
  type KillSwitchWishes,
} from "../../core/net/kill_switch_rules.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Journal } from "../../io/changes/journal.ts";
import {
  FilterChanges,
  type FilterProgram,
  type FilterRules,
  ipFamilies,
  iptablesRules,
  nftRules,
} from "../../io/netcfg/filter_rules.ts";

/** Rules that refuse all but what the wishes name. They outlive the process until `remove`. */
export class KillSwitch {
  readonly #id: string;
  /** Of the kernel. */
  readonly #families: readonly (4 | 6)[];
  readonly #program: FilterProgram;
  readonly #changes: FilterChanges;
  #text: string;

  /** `id`: part of the names. @throws {TtunError} privilege, system */
  constructor(
    o: {
      readonly libc: Libc;
      readonly journal: Journal;
      readonly program: FilterProgram;
      readonly id: string;
    },
    wishes: KillSwitchWishes,
  ) {
    this.#id = o.id;
    this.#families = ipFamilies(o.libc);
    this.#program = o.program;
    const { rules, text } = this.#rules(wishes);
    this.#changes = new FilterChanges(o.libc, o.journal, rules, { outlives: true });
    this.#text = text;
  }

  /** Returns false if the rules are the same as before. @throws {TtunError} privilege, system */
  update(wishes: KillSwitchWishes): boolean {
    const { rules, text } = this.#rules(wishes);
    if (text === this.#text) return false;
    this.#changes.replace(rules);
    this.#text = text;
    return true;
  }

  /** Returns true if others had changed it or taken it away. @throws {TtunError} privilege, system */
  restore(): boolean {
    return this.#changes.restore();
  }

  /** @throws {TtunError} privilege, system */
  remove(): void {
    this.#changes.remove();
  }

  #rules(wishes: KillSwitchWishes): { rules: FilterRules; text: string } {
    if (this.#program === "nft") {
      const table = `ttun_${this.#id}`;
      const text = killSwitchNft(table, wishes);
      return { rules: nftRules(table, text), text };
    }
    const chains = { OUTPUT: `ttun-o-${this.#id}`, FORWARD: `ttun-f-${this.#id}` };
    const texts = {
      4: killSwitchIptables(4, chains, wishes),
      6: killSwitchIptables(6, chains, wishes),
    };
    return {
      rules: iptablesRules(this.#families, "filter", chains, texts),
      text: texts[4] + texts[6],
    };
  }
}
