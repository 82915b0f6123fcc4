import { TtunError } from "../../base/errors.ts";

/** One label of DNS with letters, digits and hyphens (LDH, RFC 5890 section 2.3.1), in lower case. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

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
  // Names of other scripts look like others' (IDNA, RFC 5890): they need checks that are not here.
  if (label.slice(2, 4) === "--") {
    return "a name with hyphens in third and fourth place is reserved";
  }
  return null;
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

/** Returns the label of a host directly below the apex; null = it is none. Both are in lower case. */
export function labelBelow(host: string, apex: string): string | null {
  if (!host.endsWith(`.${apex}`)) return null;
  const label = host.slice(0, -apex.length - 1);
  return LABEL.test(label) ? label : null;
}
