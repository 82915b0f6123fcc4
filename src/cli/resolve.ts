import { lookup } from "node:dns/promises";
import { parseIp } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";

/**
 * The IP addresses of a host as the system resolves names (hosts file, then DNS), in its order.
 * @throws {TtunError} name
 */
export async function resolveHost(host: string): Promise<string[]> {
  if (parseIp(host) !== null) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (cause) {
    throw new TtunError(
      "name",
      `Cannot resolve ${
        JSON.stringify(host)
      }: no such host name, or no name server answers; check its spelling`,
      { cause },
    );
  }
}

/** A name to listen on is resolved once, before; "" stays all addresses. @throws {TtunError} name */
export async function resolveListenHost(host: string): Promise<string> {
  return host === "" ? "" : (await resolveHost(host))[0]!;
}
