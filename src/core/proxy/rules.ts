import { type Cidr, formatCidr, networkOf, parseCidr } from "../../base/addr.ts";
import { longestMatch } from "../../base/prefix.ts";
import { carriedIpv4, specialUse, unmapped, unmappedCidr } from "./special_addresses.ts";

/** What the rules say of an address; `why`, for the log, names the rule. */
export interface Verdict {
  readonly isAllowed: boolean;
  readonly why: string;
}

interface Rule {
  readonly cidr: Cidr;
  readonly verdict: Verdict;
}

const NO_RULE: Verdict = { isAllowed: true, why: "no rule" };

/**
 * Which addresses a proxy may connect to: `--allow` and `--deny`. They judge addresses, not names:
 * ask them of each address that a name has resolved to, and connect to that very address.
 *
 * Of the rules that have the address the one with the longest prefix holds, `--deny` where both
 * are as long. Where there is none, what has a special use (special_addresses.ts) is denied and
 * everything else allowed. So `--allow 10.0.0.0/8` opens that network; `--deny 0.0.0.0/0
 * --deny ::/0 --allow 203.0.113.0/24` closes all others.
 *
 * An IPv4-mapped address is the IPv4 address that it is. One that carries an IPv4 address (NAT64,
 * 6to4) must be allowed as that, and be denied by no rule itself.
 */
export class AddressRules {
  readonly #rules: readonly Rule[];

  constructor(o: { allow: readonly Cidr[]; deny: readonly Cidr[] }) {
    const rule = (given: Cidr, isAllowed: boolean): Rule => {
      const cidr = unmappedCidr(networkOf(given));
      const why = `${isAllowed ? "--allow" : "--deny"} ${formatCidr(cidr)}`;
      return { cidr, verdict: { isAllowed, why } };
    };
    // Denials first: the first of equals is what `longestMatch` finds.
    this.#rules = [
      ...o.deny.map((cidr) => rule(cidr, false)),
      ...o.allow.map((cidr) => rule(cidr, true)),
    ];
  }

  /** Judges 4 or 16 bytes. */
  judge(address: Uint8Array): Verdict {
    const ip = unmapped(address);
    const own = longestMatch(this.#rules, ip);
    const carried = carriedIpv4(ip);
    if (carried !== null && own?.verdict.isAllowed !== false) return this.judge(carried);
    if (own !== null) return own.verdict;
    const use = specialUse(ip);
    return use === null ? NO_RULE : { isAllowed: false, why: `the address is ${use}` };
  }
}

/**
 * Reads the values of `--allow` and `--deny`: `address/prefix`, or an address alone.
 * @throws {TtunError} usage
 */
export function parseRules(o: {
  allow: readonly string[];
  deny: readonly string[];
}): AddressRules {
  return new AddressRules({ allow: o.allow.map(parseCidr), deny: o.deny.map(parseCidr) });
}
