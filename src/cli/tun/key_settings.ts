import { type Cidr, formatCidr, formatIp } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { covers } from "../../base/prefix.ts";
import { firstHost, type ReservedAddresses } from "../../core/ip/address_pool.ts";
import { checkClientNetworks, type ClientNetwork } from "../../core/ip/client_networks.ts";
import { isAcceptable } from "../../core/link/v2/addresses.ts";

/** Facts of a server of many clients that settings of keys must fit. */
export interface KeyedServer {
  readonly pool: readonly Cidr[];
  /** The server's own addresses in the tunnel; none = the first ones of the pool. */
  readonly own: readonly Cidr[];
  /** Networks of --client-network. */
  readonly networks: readonly ClientNetwork[];
}

/** Returns the addresses that keys have for themselves. */
export function reservedAddresses(keys: readonly NamedKey[] = []): ReservedAddresses {
  return new Map(keys.map(({ name, addresses = [] }) => [name, addresses]));
}

/** Returns the networks behind clients, by the names of their keys. */
export function keyNetworks(keys: readonly NamedKey[] = []): ClientNetwork[] {
  return keys.flatMap(({ name, networks = [] }) => networks.map((network) => ({ name, network })));
}

/**
 * Checks address= and network= of a key file. `server`: undefined for one client, which has
 * addresses of its own. @throws {TtunError} usage
 */
export function checkKeySettings(keys: readonly NamedKey[], server: KeyedServer | undefined): void {
  const seen = new Map<string, string>();
  for (const { name, addresses = [], networks = [] } of keys) {
    const refuse = (why: string): never => {
      throw new TtunError("usage", `Cannot use the key file: ${why}`);
    };
    if (server === undefined) {
      if (addresses.length === 0 && networks.length === 0) continue;
      refuse(`address= and network= of ${name} are for a server of many clients: give --pool`);
      continue;
    }
    for (const address of addresses) {
      const text = formatIp(address.bytes);
      const pool = server.pool.find((one) => covers(one, address.bytes));
      if (pool === undefined) {
        refuse(
          `address=${text} of ${name} is in no --pool, from which clients' addresses are; networks ` +
            "behind a client are network=",
        );
      }
      const own = server.own.length > 0 ? server.own : server.pool.map(firstHost);
      if (own.some(({ bytes }) => formatIp(bytes) === text)) {
        refuse(`address=${text} of ${name} is the server's own`);
      }
      const other = seen.get(text);
      if (other !== undefined) refuse(`address=${text} is that of ${other} and of ${name}`);
      seen.set(text, name);
    }
    for (const family of [4, 6]) {
      if (addresses.filter((one) => one.family === family).length > 1) {
        refuse(`${name} has more than one IPv${family} address=: a client has one of each --pool`);
      }
    }
    for (const network of networks) {
      if (!isAcceptable(network)) {
        refuse(
          `network=${
            formatCidr(network)
          } of ${name} is too large or no network of hosts; give at ` +
            "least /8 (IPv6: /32)",
        );
      }
    }
  }
  if (server !== undefined) {
    checkClientNetworks([...server.networks, ...keyNetworks(keys)], server.pool);
  }
}
