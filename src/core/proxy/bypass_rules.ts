import { type Cidr, ipBytes, networkOf, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { covers } from "../../base/prefix.ts";
import { unmapped, unmappedCidr } from "../acl/special_use.ts";
import { isName } from "../../base/target.ts";
import type { BypassEntries } from "./own_pages.ts";

/**
 * Tells targets past the tunnel (`--direct`). An entry is a network, an address, or a domain,
 * `example.com` or `.example.com`, with everything below it, in any case. A network is for targets
 * that are given as addresses; no name is resolved to find out.
 */
export class BypassRules {
  readonly #networks: readonly Cidr[];
  readonly #domains: ReadonlySet<string>;

  /** @throws {TtunError} usage */
  constructor(entries: readonly string[]) {
    const read = entries.map(parseEntry);
    this.#networks = read.filter((entry) => typeof entry !== "string");
    this.#domains = new Set(read.filter((entry) => typeof entry === "string"));
  }

  get entries(): BypassEntries {
    return { networks: this.#networks, domains: [...this.#domains] };
  }

  matches(host: string): boolean {
    const ip = ipBytes(host);
    if (ip !== null) {
      const address = unmapped(ip);
      return this.#networks.some((network) => covers(network, address));
    }
    const labels = withoutDot(host.toLowerCase()).split(".");
    return labels.some((_, i) => this.#domains.has(labels.slice(i).join(".")));
  }
}

/** Removes the last dot, which says that a name is whole, and nothing else. */
function withoutDot(name: string): string {
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

function parseEntry(text: string): Cidr | string {
  const domain = withoutDot(text.toLowerCase().replace(/^\./, ""));
  if (isName(domain)) return domain;
  try {
    return unmappedCidr(networkOf(parseCidr(text)));
  } catch (cause) {
    throw new TtunError(
      "usage",
      `Cannot read ${JSON.stringify(text)} of --direct: write a network as 10.0.0.0/8, ` +
        "an address, or a domain as example.com (which has its subdomains in it)",
      { cause },
    );
  }
}

/** Reads one entry a line; `#` begins a comment. @throws {TtunError} usage, naming the line */
export function parseDirectFile(text: string): string[] {
  return text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/).flatMap((line, i) => {
    const entry = line.split("#", 1)[0]!.trim();
    if (entry === "") return [];
    try {
      parseEntry(entry);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
      throw new TtunError(error.kind, `Line ${i + 1}: ${error.message}`, { cause: error });
    }
    return [entry];
  });
}
