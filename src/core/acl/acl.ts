import { type Cidr, formatCidr, networkOf, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { longestMatch } from "../../base/prefix.ts";
import { carriedIpv4, specialUse, unmapped, unmappedCidr } from "./special_use.ts";

/** Decision about an address; `why`, for the log, names the rule. */
export interface Decision {
  readonly isAllowed: boolean;
  readonly why: string;
}

export interface AddressRule {
  readonly cidr: Cidr;
  /** Port of the rule; null = all but those that are denied by default. */
  readonly port: number | null;
  /** A rule `*:PORT` is about the port alone; whatever else is denied stays so. */
  readonly isAny?: boolean;
}

interface Rule extends AddressRule {
  readonly verdict: Decision;
}

const NO_RULE: Decision = { isAllowed: true, why: "no rule" };

const OWN: Decision = { isAllowed: false, why: "the address is one of this server's own" };

/** Port of mail delivery: an open way to it is used for spam within hours. */
const SMTP = 25;

const NO_MAIL: Decision = {
  isAllowed: false,
  why: `port ${SMTP} is denied unless an --allow names it, as --allow '*:${SMTP}'`,
};

/**
 * Decides where a proxy may connect to: `--allow` and `--deny`. Ask for each address that a name
 * resolves to, and connect to that very address. Of the rules that have address and port the
 * longest prefix holds, of equals one for this port alone, then `--deny`. Without a rule special
 * uses (special_use.ts) are denied, and the machine's own addresses, since a connection from inside
 * passes its firewall; all else is allowed. `*:PORT` opens no address; port 25 takes a rule that
 * names it. IPv4-mapped addresses count as IPv4. One that carries an IPv4 address (NAT64, 6to4)
 * must be allowed as that, and be denied by no rule itself.
 */
export class Acl {
  readonly #rules: readonly Rule[];
  readonly #isOwn: (ip: Uint8Array) => boolean;

  /** `isOwn`: returns true for an address (4 or 16 bytes) of this machine. */
  constructor(o: {
    allow: readonly AddressRule[];
    deny: readonly AddressRule[];
    isOwn?: (ip: Uint8Array) => boolean;
  }) {
    const rule = ({ cidr: given, port, isAny = false }: AddressRule, isAllowed: boolean): Rule => {
      const cidr = unmappedCidr(networkOf(given));
      const where = port === null ? formatCidr(cidr) : `${formatCidr(cidr)} port ${port}`;
      return {
        cidr,
        port,
        isAny,
        verdict: { isAllowed, why: `${isAllowed ? "--allow" : "--deny"} ${where}` },
      };
    };
    // Of equals `longestMatch` finds the first: those for one port first, then denials.
    this.#rules = [
      ...o.deny.map((one) => rule(one, false)),
      ...o.allow.map((one) => rule(one, true)),
    ].sort((one, other) => Number(one.port === null) - Number(other.port === null));
    this.#isOwn = o.isOwn ?? (() => false);
  }

  /** Judges an address of 4 or 16 bytes. */
  judge(address: Uint8Array, port: number): Decision {
    const ip = unmapped(address);
    const rules = this.#rules.filter((rule) => rule.port === null || rule.port === port);
    const own = longestMatch(rules.filter(({ isAny }) => isAny !== true), ip);
    const any = rules.find(({ isAny }) => isAny === true) ?? null;
    const carried = carriedIpv4(ip);
    if (carried !== null && own?.verdict.isAllowed !== false) return this.judge(carried, port);
    if (own?.verdict.isAllowed === false) return own.verdict;
    if (own === null && any?.verdict.isAllowed === false) return any.verdict;
    if (port === SMTP && own?.port !== SMTP && any === null) return NO_MAIL;
    if (own !== null) return own.verdict;
    const use = specialUse(ip);
    if (use !== null) return { isAllowed: false, why: `the address is ${use}` };
    return this.#isOwn(ip) ? OWN : NO_RULE;
  }
}

/** Reads `10.0.0.0/8`, `[2001:db8::]/32:25`, `[2001:db8::/32]:25`, `*:25`. @throws {TtunError} */
export function parseRule(text: string): readonly AddressRule[] {
  const [, address = text, digits] = /^(.*[^:]):([0-9]{1,5})$/.exec(text) ?? [];
  // Without brackets an IPv6 address has no port.
  const hasPort = digits !== undefined && (/[\[\]*]/.test(address) || !address.includes(":"));
  if (!hasPort) return [{ cidr: parseCidr(text), port: null }];
  const port = Number(digits);
  if (port < 1 || port > 65_535) {
    throw new TtunError("usage", `Cannot use ${JSON.stringify(text)}: a port is from 1 to 65535`);
  }
  const all = address === "*" ? ["0.0.0.0/0", "::/0"] : [address.replace(/[\[\]]/g, "")];
  const isAny = address === "*";
  return all.map((cidr) => ({ cidr: parseCidr(cidr), port, ...(isAny && { isAny }) }));
}
