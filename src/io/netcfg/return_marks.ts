import type { Libc } from "../../../ffi/linux/libc.ts";
import { readSysctl, writeSysctl } from "../changes/sysctl.ts";
import type { UndoStep } from "../changes/undo_step.ts";
import {
  type FilterProgram,
  type FilterRules,
  ipFamilies,
  iptablesRules,
  nftRules,
} from "./kill_switch.ts";

/** Has the reverse path check look routes up with the packet's mark. */
const SRC_VALID_MARK = "/proc/sys/net/ipv4/conf/all/src_valid_mark";

/**
 * Gives packets of connections that have the mark the same mark when they come in: a strict
 * rp_filter would look for the way back in the tunnel otherwise, and drop them. `id`: part of the
 * names.
 */
export function returnMarks(
  libc: Libc,
  program: FilterProgram,
  id: string,
  mark: number,
): FilterRules {
  const rules = program === "nft" ? nftMarks(id, mark) : iptablesMarks(libc, id, mark);
  const before = readSysctl(libc, SRC_VALID_MARK);
  if (before === null || before === "1") return rules;
  const sysctl: UndoStep = { kind: "sysctl", path: SRC_VALID_MARK, before, after: "1" };
  return {
    steps: [...rules.steps, sysctl],
    apply: (step) => {
      if (step === sysctl) writeSysctl(libc, SRC_VALID_MARK, "1");
      else rules.apply(step);
    },
  };
}

function nftMarks(id: string, mark: number): FilterRules {
  const table = `ttun_mark_${id}`;
  return nftRules(
    table,
    `
add table inet ${table} {
  chain restore {
    type filter hook prerouting priority -150; policy accept;
    ct mark ${mark} meta mark set ct mark
  }
  chain save {
    type filter hook postrouting priority -150; policy accept;
    meta mark ${mark} ct mark set meta mark
  }
}
`,
  );
}

function iptablesMarks(libc: Libc, id: string, mark: number): FilterRules {
  const chains = { PREROUTING: `ttun-r-${id}`, POSTROUTING: `ttun-s-${id}` };
  const text = [
    "*mangle",
    `:${chains.PREROUTING} - [0:0]`,
    `:${chains.POSTROUTING} - [0:0]`,
    `-A ${chains.PREROUTING} -m connmark --mark ${mark} -j CONNMARK --restore-mark`,
    `-A ${chains.POSTROUTING} -m mark --mark ${mark} -j CONNMARK --save-mark`,
    "COMMIT",
    "",
  ].join("\n");
  return iptablesRules(ipFamilies(libc), "mangle", chains, { 4: text, 6: text });
}
