import { type Cidr, formatCidr, parseCidr } from "../../base/addr.ts";
import { NameError, TtunError } from "../../base/errors.ts";
import type { PortRange } from "../../base/port_range.ts";
import { isName } from "../../base/target.ts";
import { readHost } from "../dns/host_name.ts";
import { formatPorts, parsePorts, PORTS } from "./ports.ts";
import { parseSocketPath, UNIX } from "./socket_path.ts";

/** A value of `--permit-open` (`--allow`) or `--deny`. */
export type Rule = AddressRule | NameRule | PathRule;

export interface AddressRule {
  readonly cidr: Cidr;
  /** Ports of the rule; null = all but those that are denied by default. */
  readonly port: PortRange | null;
  /** A rule `*:PORTS` is about ports alone; whatever else is denied stays so. */
  readonly isAny?: boolean;
}

export interface NameRule {
  /** Lower case, no dot at the end. */
  readonly name: string;
  /** The rule is for what is below the name (`*.name`), not for the name itself. */
  readonly isBelow: boolean;
  /** Ports of the rule; null = all but port 25, unless the rule denies. */
  readonly port: PortRange | null;
}

/** The rule of one unix socket. */
export interface PathRule {
  /** A path that `normalPath` has returned. */
  readonly path: string;
}

const WITH_PORTS = new RegExp(`^(.*[^:]):(${PORTS})$`);

/**
 * Reads `CIDR[:PORTS]`, `NAME[:PORTS]`, `*.NAME[:PORTS]`, `*:PORTS` and `unix:/PATH`, where PORTS is
 * one or FROM-TO. IPv6 has brackets before ports: `[2001:db8::]/32:25`, `[2001:db8::/32]:25`.
 * @throws {TtunError} usage
 */
export function parseRule(text: string): readonly Rule[] {
  if (text.startsWith(`${UNIX}/`)) return [{ path: parseSocketPath(text) }];
  const [, before = text, digits] = WITH_PORTS.exec(text) ?? [];
  // Without brackets an IPv6 address has no port.
  const hasPorts = digits !== undefined && (/[[\]*]/.test(before) || !before.includes(":"));
  const subject = hasPorts ? before : text;
  const port = hasPorts ? parsePorts(digits, 1, text) : null;
  if (subject === "*" && port !== null) {
    return ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr: parseCidr(cidr), port, isAny: true }));
  }
  const isBelow = subject.startsWith("*.");
  const name = readName(isBelow ? subject.slice(2) : subject);
  if (name !== null) return [{ name, isBelow, port }];
  return [{ cidr: parseNetwork(withoutBrackets(subject), text), port }];
}

/** Reads a name as the resolver does; an address in any spelling, and what is neither, is null. */
export function readName(text: string): string | null {
  try {
    const form = readHost(text);
    return form.kind === "name" && isName(form.name) ? form.name : null;
  } catch (error) {
    if (error instanceof NameError) return null;
    throw error;
  }
}

function withoutBrackets(text: string): string {
  return text.replace(/^\[([^[\]]*)\]((?:\/[0-9]*)?)$/, "$1$2");
}

function parseNetwork(cidr: string, text: string): Cidr {
  try {
    return parseCidr(cidr);
  } catch (cause) {
    if (cidr.includes("%")) throw cause; // it says what to leave away
    throw new TtunError(
      "usage",
      `Cannot read ${
        JSON.stringify(text)
      }: write a network as 10.0.0.0/8, a name as example.net, ` +
        "*.example.net for all names below it, or unix:/PATH; a port or FROM-TO may follow behind " +
        "a colon",
      { cause },
    );
  }
}

/** Returns the text that `parseRule` reads. */
export function formatRule(rule: Rule): string {
  if ("path" in rule) return `${UNIX}${rule.path}`;
  const ports = rule.port === null ? "" : `:${formatPorts(rule.port)}`;
  if ("name" in rule) return `${rule.isBelow ? "*." : ""}${rule.name}${ports}`;
  if (rule.isAny === true) return `*${ports}`;
  const network = formatCidr(rule.cidr);
  return rule.cidr.family === 6 && ports !== "" ? `[${network}]${ports}` : `${network}${ports}`;
}
