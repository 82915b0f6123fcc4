import { type Cidr, formatIp, networkOf, parseCidr, parseIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { isHostName } from "../../core/dns/host_name.ts";
import { isClientName } from "../../core/link/v2/client_name.ts";

/** Reads a name in the form of a host name; converts it to lower case. */
export function parseClientName(text: string): string {
  const name = text.toLowerCase();
  if (isClientName(name)) return name;
  throw new TtunError(
    "usage",
    `Cannot name a client ${JSON.stringify(text)}: use up to 63 letters, digits, dots, dashes ` +
      "and underscores, as laptop",
  );
}

/** Reads an IP address as the network of that address alone. */
export function parseAddress(text: string): Cidr {
  const bytes = parseIp(text);
  if (bytes === null) {
    throw new TtunError(
      "usage",
      `Cannot read ${
        JSON.stringify(text)
      }: write an IP address without a prefix length, as 10.1.1.2`,
    );
  }
  return { family: bytes.length === 4 ? 4 : 6, bytes, prefix: bytes.length * 8 };
}

/** Reads an IP address, and writes it as all programs do. */
export function parseNameServer(text: string): string {
  const bytes = parseIp(text);
  if (bytes !== null) return formatIp(bytes);
  throw new TtunError(
    "usage",
    `Cannot ask a name server at ${JSON.stringify(text)}: write its IP address, as 10.1.1.1`,
  );
}

/** Reads the name of a domain; drops the dot of the root behind it. */
export function parseDomain(text: string): string {
  const name = text.toLowerCase().replace(/\.$/, "");
  if (isHostName(name)) return name;
  throw new TtunError(
    "usage",
    `Cannot look names up in ${JSON.stringify(text)}: write a domain, as example.net`,
  );
}

/** Drops host bits, which systems refuse although the meaning is clear. */
export function parseNetwork(text: string): Cidr {
  return networkOf(parseCidr(text));
}

/** Reads a network that is not all there is. */
export function parseExclude(text: string): Cidr {
  const network = parseNetwork(text);
  if (network.prefix > 0) return network;
  throw new TtunError(
    "usage",
    `Cannot keep ${JSON.stringify(text)} beside the tunnel: that is all there is; leave ` +
      "--default-route and --kill-switch away",
  );
}

/**
 * Checks like Linux (dev_valid_name in net/core/dev.c), and for control bytes.
 * @throws {TtunError} usage
 */
export function parseDeviceName(text: string): string {
  const bytes = new TextEncoder().encode(text).length;
  const isDots = text === "." || text === "..";
  // deno-lint-ignore no-control-regex -- control characters are what this keeps out
  if (bytes < 1 || bytes > 15 || isDots || /[/:\s\x00-\x1f\x7f-\x9f]/.test(text)) {
    throw new TtunError(
      "usage",
      `Cannot name a device ${JSON.stringify(text)}: ` +
        "use 1 to 15 bytes without slash, colon and space, as ttun0",
    );
  }
  return text;
}
