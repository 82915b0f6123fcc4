import { type Cidr, ipBytes, networkOf, parseCidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { covers } from "../../base/prefix.ts";
import { unmapped, unmappedCidr } from "./special_use.ts";
import { isName } from "../../base/target.ts";

/**
 * Which targets a proxy's client connects to itself, past the tunnel: `--direct`. An entry is a
 * network (`10.0.0.0/8`), an address, or a domain: `example.com`, or as other programs write it
 * `.example.com`, is itself and everything below it, in any case. A network is for targets that
 * are given as addresses; no name is resolved to find out.
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

  /** Returns true if connections to this host of a `Target` bypass the tunnel. */
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

/** A name's last dot says that it is whole, and nothing else. */
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

/**
 * The entries of a file for `--direct`: one a line; `#` begins a comment; empty lines are left out.
 * They are checked, so that an error names its line.
 * @throws {TtunError} usage
 */
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
