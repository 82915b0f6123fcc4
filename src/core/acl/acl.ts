import { networkOf } from "../../base/addr.ts";
import { longestMatch } from "../../base/prefix.ts";
import { MAX_NAME } from "../../base/target.ts";
import { byWidth, hasPort, isPort } from "./ports.ts";
import {
  type AddressRule,
  formatRule,
  type NameRule,
  type PathRule,
  readName,
  type Rule,
} from "./rule.ts";
import { normalPath } from "./socket_path.ts";
import { carriedIpv4, specialUse, unmapped, unmappedCidr } from "./special_use.ts";

/** Decision about a target; `why`, for the log, names the rule. */
export interface Decision {
  readonly isAllowed: boolean;
  readonly why: string;
}

type Judged<R extends Rule> = R & { readonly verdict: Decision };

const NO_RULE: Decision = { isAllowed: true, why: "no rule" };

const OWN = "the address is one of this server's own";

/** Port of mail delivery: an open way to it is used for spam within hours. */
const SMTP = 25;

const NO_MAIL: Decision = {
  isAllowed: false,
  why: `port ${SMTP} is denied unless an --allow names it, as --allow '*:${SMTP}'`,
};

const NO_PATH: Decision = {
  isAllowed: false,
  why: "no rule is for this unix socket",
};

export interface AclRules {
  readonly allow: readonly Rule[];
  readonly deny: readonly Rule[];
}

/**
 * Decides where clients may connect to: `--permit-open`, which is `--allow`, and `--deny`.
 *
 * Addresses: of the rules that have address and port the longest prefix holds, of equals the one
 * with fewer ports, then `--deny`. Without a rule special uses (special_use.ts) are denied, and the
 * machine's own addresses, since a connection from inside passes its firewall; all else is allowed.
 * `*:PORTS` opens no address; port 25 takes a rule for that port alone. IPv4-mapped addresses count
 * as IPv4. One that carries an IPv4 address (NAT64, 6to4) must be allowed as that, and be denied by
 * no rule itself.
 *
 * Names: ask about the name before it is resolved, then about each address, with the first answer,
 * and connect to that very address. The most specific rule holds: the name itself, then the longest
 * `*.name`; of equals as above. A denied name is denied. An allowed one counts as a rule for its
 * addresses that is longer than 0.0.0.0/0, ::/0 and `*:PORTS`, and shorter than any other network:
 * `--deny 0.0.0.0/0` leaves it open, `--deny 10.0.0.0/8` does not. As whoever runs the name's zone
 * says where it leads to, it opens no special address and none of the machine's own; these take an
 * address rule.
 *
 * Unix sockets: allowed are the paths that have a rule, letter by letter.
 */
export class Acl {
  #addresses: readonly Judged<AddressRule>[] = [];
  #names: readonly Judged<NameRule>[] = [];
  #paths: ReadonlyMap<string, Decision> = new Map();
  readonly #isOwn: (ip: Uint8Array) => boolean;

  /** `isOwn`: returns true for an address (4 or 16 bytes) of this machine. */
  constructor(o: AclRules & { isOwn?: (ip: Uint8Array) => boolean }) {
    this.#isOwn = o.isOwn ?? (() => false);
    this.replace(o);
  }

  /** Decides by other rules from now on. */
  replace(o: AclRules): void {
    // Sorting keeps the order of equals: denials are found first.
    const rules = [
      ...o.deny.map((rule) => judged(rule, false)),
      ...o.allow.map((rule) => judged(rule, true)),
    ];
    this.#addresses = rules.filter((rule) => "cidr" in rule)
      .sort((one, other) => byWidth(one.port, other.port));
    this.#names = rules.filter((rule) => "name" in rule).sort(bySpecificity);
    const paths = rules.filter((rule): rule is Judged<PathRule> => "path" in rule);
    this.#paths = new Map(paths.reverse().map(({ path, verdict }) => [path, verdict]));
  }

  /**
   * Judges an address of 4 or 16 bytes. `name`: what `judgeName` has said about the name that led
   * to it.
   */
  judge(address: Uint8Array, port: number, name: Decision | null = null): Decision {
    if (name?.isAllowed === false) return name;
    const ip = unmapped(address);
    const rules = this.#addresses.filter((rule) => hasPort(rule.port, port));
    const longest = longestMatch(rules.filter(({ isAny }) => isAny !== true), ip);
    const own = name !== null && longest?.cidr.prefix === 0 && !longest.verdict.isAllowed
      ? null
      : longest;
    const any = rules.find(({ isAny }) => isAny === true) ?? null;
    const carried = carriedIpv4(ip);
    if (own?.verdict.isAllowed === false) return own.verdict;
    if (carried !== null) return this.judge(carried, port, name);
    if (name === null) {
      if (own === null && any?.verdict.isAllowed === false) return any.verdict;
      const opensMail = isPort(own?.port ?? null, SMTP) ||
        (any?.verdict.isAllowed === true && isPort(any.port, SMTP));
      if (port === SMTP && !opensMail) return NO_MAIL;
    }
    if (own !== null) return own.verdict;
    const use = specialUse(ip);
    if (use !== null) return denied(`the address is ${use}`, name);
    return this.#isOwn(ip) ? denied(OWN, name) : name ?? NO_RULE;
  }

  /** Judges a name as a client asks for it; null = no rule is for it: its addresses decide alone. */
  judgeName(host: string, port: number): Decision | null {
    const name = readName(host);
    if (name === null) return null;
    const rule = this.#names.find((rule) =>
      hasPort(rule.port, port) &&
      (rule.isBelow ? name.endsWith(`.${rule.name}`) : name === rule.name) &&
      (port !== SMTP || isPort(rule.port, SMTP) || !rule.verdict.isAllowed)
    );
    return rule?.verdict ?? null;
  }

  /** Judges the path of a unix socket. */
  judgePath(path: string): Decision {
    const normal = normalPath(path);
    return normal === null ? NO_PATH : this.#paths.get(normal) ?? NO_PATH;
  }
}

function judged<R extends Rule>(given: R, isAllowed: boolean): Judged<R> {
  const rule = "cidr" in given ? { ...given, cidr: unmappedCidr(networkOf(given.cidr)) } : given;
  const why = `${isAllowed ? "--allow" : "--deny"} ${formatRule(rule)}`;
  return { ...rule, verdict: { isAllowed, why } };
}

function denied(why: string, name: Decision | null): Decision {
  const alone = name === null ? "" : `, and ${name.why} is for the name alone`;
  return { isAllowed: false, why: `${why}${alone}` };
}

function bySpecificity(one: NameRule, other: NameRule): number {
  return specificity(other) - specificity(one) || byWidth(one.port, other.port);
}

function specificity({ name, isBelow }: NameRule): number {
  return isBelow ? name.length : MAX_NAME + 1;
}
