import { TtunError } from "../../base/errors.ts";

/** One label of DNS with letters, digits and hyphens (LDH, RFC 5890 section 2.3.1), in lower case. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Leaves room for what stands before it in DNS, and in keys of the store. */
const LONGEST_HOST = 200;

/** Names that nobody gets: people take them for those of the mesh itself. */
const RESERVED: ReadonlySet<string> = new Set([
  "admin",
  "api",
  "apex",
  "autoconfig",
  "autodiscover",
  "localhost",
  "mail",
  "mta-sts",
  "wpad",
  "www",
]);

/** Returns the name in lower case. @throws {TtunError} usage, if it is none that can be published */
export function readLabel(text: string): string {
  const label = text.toLowerCase();
  const why = objection(label);
  if (why === null) return label;
  throw new TtunError("usage", `Cannot use the name ${JSON.stringify(text)}: ${why}`);
}

export function isLabel(text: string): boolean {
  return objection(text) === null;
}

function objection(label: string): string | null {
  if (!LABEL.test(label)) {
    return "it is 1 to 63 letters, digits and hyphens, and begins and ends with none of the last";
  }
  if (RESERVED.has(label)) return "it is reserved";
  if (label.slice(2, 4) !== "--" || isOtherScript(label)) return null;
  return "a name with hyphens in third and fourth place is one of another script (IDNA), as xn--bcher-kva";
}

/** Returns true for the form that a name of another script has in DNS (A-label, RFC 5890). */
function isOtherScript(label: string): boolean {
  try {
    return label.startsWith("xn--") && new URL(`http://${label}.test`).hostname === `${label}.test`;
  } catch {
    return false; // what it stands for is none
  }
}

/** Returns the host name of an apex in lower case. @throws {TtunError} usage */
export function readApex(text: string): string {
  const apex = text.toLowerCase().replace(/\.$/, "");
  const labels = apex.split(".");
  const isName = apex.length <= 200 && labels.length >= 2 && labels.every((l) => LABEL.test(l)) &&
    !/^\d+$/.test(labels.at(-1)!);
  if (isName) return apex;
  throw new TtunError(
    "usage",
    `Cannot use ${JSON.stringify(text)} as the apex: it is a domain, as example.net`,
  );
}

/** Returns true for a host name of its own: two labels or more, the last with a letter, in lower case. */
export function isHostName(text: string): boolean {
  const labels = text.split(".");
  return text.length <= LONGEST_HOST && labels.length >= 2 && labels.every((l) => LABEL.test(l)) &&
    !/^\d+$/.test(labels.at(-1)!);
}

/** Returns true for what may be published: a label below the apex, or a host name of its own. */
export function isPublicName(text: string): boolean {
  return isLabel(text) || isHostName(text);
}

/** Returns the host name in lower case. @throws {TtunError} usage, if it is none of its own */
export function readHostName(text: string): string {
  const host = text.toLowerCase().replace(/\.$/, "");
  if (isHostName(host)) return host;
  throw new TtunError(
    "usage",
    `Cannot use the host name ${JSON.stringify(text)}: it is a domain of yours, as www.example.org`,
  );
}

/** Returns a name in lower case, of either kind. @throws {TtunError} usage */
export function readPublicName(text: string): string {
  return text.includes(".") ? readHostName(text) : readLabel(text);
}

/** Returns the published name that a host is, in lower case; null = nobody can publish it. */
export function publicNameOf(host: string, apex: string): string | null {
  const label = labelBelow(host, apex);
  if (label !== null) return label;
  const isOurs = host === apex || host.endsWith(`.${apex}`);
  return !isOurs && isHostName(host) ? host : null;
}

/** Returns the host of a published name. */
export function hostOfName(name: string, apex: string): string {
  return name.includes(".") ? name : `${name}.${apex}`;
}

/** Returns the label of a host directly below the apex; null = it is none. Both are in lower case. */
export function labelBelow(host: string, apex: string): string | null {
  if (!host.endsWith(`.${apex}`)) return null;
  const label = host.slice(0, -apex.length - 1);
  return LABEL.test(label) ? label : null;
}
