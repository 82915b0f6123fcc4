import { createHash } from "node:crypto";

/** Name servers and search domains for this machine. */
export interface NameServerSettings {
  /** IP addresses, the best first. */
  readonly servers: readonly string[];
  /** Domains in lower case, without a dot at the end. */
  readonly search: readonly string[];
}

const FIRST_LINE = /^# Written by ttun \(([0-9a-f]{32})\)[^\n]*\n/;

/**
 * Makes a resolv.conf that says of itself that ttun wrote it, with a checksum of the rest: a later
 * ttun sees if somebody has changed it. `before`: the file in whose place it comes, whose options
 * hold further. `kept`: the place where that one is kept.
 */
export function writeResolvConf(
  { servers, search }: NameServerSettings,
  before: string | null,
  kept: string,
): string {
  const options = (before ?? "").split("\n").filter((line) => /^options\s/.test(line));
  const lines = [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(" ")}`]),
    ...options,
  ];
  const rest = lines.map((line) => `${line}\n`).join("");
  return `# Written by ttun (${checksum(rest)}); the file before it is ${kept}\n${rest}`;
}

/** Returns true if ttun wrote the file and nobody has changed it since. */
export function isWrittenByTtun(text: string): boolean {
  const found = FIRST_LINE.exec(text);
  return found !== null && found[1] === checksum(text.slice(found[0].length));
}

function checksum(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
