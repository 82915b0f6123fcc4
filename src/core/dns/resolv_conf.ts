import { readAddress } from "./host_name.ts";

/** Settings of resolv.conf(5) that are used here. */
export interface ResolvConf {
  /** IP addresses, an IPv6 one perhaps with its zone, in the order of the file. */
  readonly servers: readonly string[];
  /** Domains that are tried behind a name; in lower case, without a dot at the end. */
  readonly search: readonly string[];
  /** A name with so many dots is asked for as it is first. */
  readonly ndots: number;
  /** Time that one server has for its answer. */
  readonly timeoutMs: number;
  /** How often all servers are asked. */
  readonly attempts: number;
  readonly rotate: boolean;
  readonly useVc: boolean;
  /** Families are not asked for at once; `reopen`: each from a socket of its own. */
  readonly single: "no" | "single" | "reopen";
  /** Asks for IPv4 addresses alone. */
  readonly noAaaa: boolean;
}

/** Limits of the C library (resolv.h), and where it has none, one. */
const MOST_SERVERS = 3;
const MOST_SEARCH = 32;
const MOST_NDOTS = 15;
const MOST_TIMEOUT = 30;
const MOST_ATTEMPTS = 5;

/**
 * Reads resolv.conf; null = none. `hostName`: its domain is searched where the file names none.
 * Lines that cannot be read are skipped, as the C library does.
 */
export function parseResolvConf(text: string | null, hostName = ""): ResolvConf {
  const servers: string[] = [];
  let search: string[] | null = null;
  const options = new Map<string, number>();
  for (const line of (text ?? "").split("\n")) {
    if (/^[#;]/.test(line)) continue;
    const [keyword, ...values] = wordsOf(line);
    if (keyword === "nameserver" && servers.length < MOST_SERVERS) {
      const server = readAddress((values[0] ?? "").replace(/[#;].*$/, ""));
      if (server !== null) servers.push(server);
    } else if (keyword === "domain" && values.length > 0) {
      search = values.slice(0, 1); // of `domain` and `search` the last one holds
    } else if (keyword === "search" && values.length > 0) {
      search = values.slice(0, MOST_SEARCH);
    } else if (keyword === "options") {
      for (const option of values) {
        const [name, value] = option.split(":");
        options.set(name!, value === undefined ? 1 : Number.parseInt(value, 10));
      }
    }
  }
  const dot = hostName.indexOf(".");
  const domains = search ?? (dot < 0 ? [] : [hostName.slice(dot + 1)]);
  const number = (name: string, otherwise: number, least: number, most: number) => {
    const value = options.get(name) ?? otherwise;
    return Number.isNaN(value) ? otherwise : Math.min(most, Math.max(least, value));
  };
  return {
    servers: servers.length === 0 ? ["127.0.0.1"] : servers,
    search: domains.map((domain) => domain.toLowerCase().replace(/\.$/, "")).filter((d) =>
      d !== ""
    ),
    ndots: number("ndots", 1, 0, MOST_NDOTS),
    timeoutMs: 1000 * number("timeout", 5, 1, MOST_TIMEOUT),
    attempts: number("attempts", 2, 1, MOST_ATTEMPTS),
    rotate: options.has("rotate"),
    useVc: options.has("use-vc"),
    single: options.has("single-request-reopen")
      ? "reopen"
      : options.has("single-request")
      ? "single"
      : "no",
    noAaaa: options.has("no-aaaa"),
  };
}

/** Returns a line's words up to a comment. */
function wordsOf(line: string): string[] {
  const words = line.split(/[ \t\r]+/).filter((word) => word !== "");
  const comment = words.findIndex((word) => /^[#;]/.test(word));
  return comment < 0 ? words : words.slice(0, comment);
}
