import type { Libc } from "../../../ffi/linux/libc.ts";
import type { Journal } from "../changes/journal.ts";
import { sharedSetting, type SharedSettings } from "../changes/shared_settings.ts";
import {
  type FilterProgram,
  type FilterRules,
  ipFamilies,
  iptablesRules,
  nftRules,
} from "./filter_rules.ts";

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
  return program === "nft" ? nftMarks(id, mark) : iptablesMarks(libc, id, mark);
}

/** Makes these marks count until dispose. `folder`: the journal's. @throws the system's refusal */
export function validMarks(libc: Libc, journal: Journal, folder: string): SharedSettings {
  return sharedSetting({ libc, journal, folder }, SRC_VALID_MARK, "1");
}

function nftMarks(id: string, mark: number): FilterRules {
  const table = `ttun_mark_${id}`;
  return nftRules(
    table,
    `
add table inet ${table}
delete table inet ${table}
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
