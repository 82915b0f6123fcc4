import { ipBytes } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { checkClientNetworks } from "../../core/ip/client_networks.ts";
import { clientsIn, firstHost } from "../../core/ip/address_pool.ts";
import { MOST_NAME_SERVERS, MOST_ROUTES, type PushedSettings } from "../../core/link/v2/pushed.ts";
import { LONGEST_UDP_PACKET } from "../../core/link/udp/sizes.ts";
import { hasForwards } from "../forward/stream_rules.ts";
import { addressOf } from "../transport/endpoint.ts";
import { entryOf } from "../transport/table.ts";
import type { TunClientFlags, TunFlags, TunServerFlags } from "./options.ts";
import type { DnsConfig, GatewayConfig } from "./plane_config.ts";

/** Clients of --pool without --clients: all of a /24 network, except for the server. */
const IMPLIED_CLIENTS = 253;

/**
 * Returns undefined for one client with its own addresses. --pool alone allows one per address.
 * @throws {TtunError} usage, for options that exclude each other
 */
export function manyClients(
  { clients, pool = [], wire, peerAddress, address = [], clientNetwork = [] }: TunServerFlags,
) {
  if (clients === undefined && pool.length === 0) {
    if (clientNetwork.length === 0) return undefined;
    throw new TtunError(
      "usage",
      "Cannot use --client-network without --pool: a server of one client lets everything " +
        "through; send the network there with --route",
    );
  }
  const refuse = (words: string): never => {
    throw new TtunError("usage", `Cannot serve many clients: ${words}`);
  };
  if (pool.length === 0) refuse("give the network of their addresses with --pool");
  if (wire === "v1") refuse("version 1 of the wire has no addresses to give; leave --wire v1 away");
  if ((peerAddress ?? []).length > 0) refuse("--peer-address is for one client only");
  for (const family of [4, 6]) {
    if (pool.filter((network) => network.family === family).length > 1) {
      refuse(`give --pool once for IPv${family}`);
    }
  }
  checkClientNetworks(clientNetwork, pool);
  const own = address.length > 0 ? address : pool.map(firstHost);
  return {
    clients: clients ?? clientsIn(pool, own, IMPLIED_CLIENTS),
    pool,
    networks: clientNetwork,
  };
}

/** @throws {TtunError} usage, for more than a server's setup may have */
export function pushedSettings(
  { pushRoute: routes = [], pushDns = [] }: TunServerFlags,
): PushedSettings {
  if (routes.length > MOST_ROUTES) {
    throw new TtunError(
      "usage",
      `Cannot push ${routes.length} routes: clients take at most ${MOST_ROUTES}; join networks`,
    );
  }
  if (pushDns.length > MOST_NAME_SERVERS) {
    throw new TtunError(
      "usage",
      `Cannot push ${pushDns.length} name servers: clients take at most ${MOST_NAME_SERVERS}`,
    );
  }
  return { routes, nameServers: pushDns.map((ip) => ipBytes(ip)!) };
}

/** Returns null for a client that leaves its machine's name servers alone. @throws {TtunError} usage */
export function dnsOf(
  { acceptDns, dns: servers = [], dnsSearch: search = [] }: TunClientFlags,
): DnsConfig | null {
  if (acceptDns && servers.length > 0) {
    throw new TtunError(
      "usage",
      "Options --accept-dns and --dns exclude each other: the name servers are the server's or " +
        "yours",
    );
  }
  if (acceptDns || servers.length > 0) return { servers, search };
  if (search.length === 0) return null;
  throw new TtunError(
    "usage",
    "Cannot use --dns-search without --dns or --accept-dns: add the name server that knows the domain",
  );
}

/** @throws {TtunError} usage, for an option that version 1 of the wire format lacks */
export function refuseForV1(options: TunFlags): void {
  const { wire, rekey, offload } = options;
  const given = rekey !== undefined
    ? "--rekey"
    : offload === "auto"
    ? "--offload auto"
    : "name" in options && options.name !== undefined
    ? "--name"
    : "pushRoute" in options && options.pushRoute !== undefined
    ? "--push-route"
    : "pushDns" in options && options.pushDns !== undefined
    ? "--push-dns"
    : null;
  if (wire !== "v1" || given === null) return;
  throw new TtunError(
    "usage",
    `Options --wire v1 and ${given} exclude each other: version 1 of the wire has no such thing`,
  );
}

/** @throws {TtunError} usage, for what standard input and output cannot be beside a client's link */
export function refuseForStdio(
  { listen, keyFile, daemon }: Pick<TunServerFlags, "listen" | "keyFile" | "daemon">,
): void {
  if (!listen.some(({ scheme }) => entryOf(scheme).takesStdio)) return;
  if (listen.length > 1) {
    throw new TtunError(
      "usage",
      "Cannot listen elsewhere beside stdio:, which serves one client and ends; run another server",
    );
  }
  if (daemon) {
    throw new TtunError(
      "usage",
      "Cannot go to the background with -l stdio:, whose client is at standard input; leave -d out",
    );
  }
  if (keyFile === "-") {
    throw new TtunError(
      "usage",
      "Cannot read the key from standard input, which is the client's with -l stdio:; name a file",
    );
  }
}

/**
 * @throws {TtunError} usage, for what does not go over UDP; `keys`: a server's, where there are several
 */
export function refuseForUdp(options: TunFlags, keys: readonly unknown[] | undefined): void {
  const ends = "server" in options ? [options.server] : options.listen;
  if (!ends.some(({ scheme }) => scheme === "udp")) return;
  const refuse = (words: string): never => {
    throw new TtunError("usage", `Cannot use udp: URLs ${words}`);
  };
  const { wire, mtu } = options;
  if (wire === "v1") refuse("with --wire v1: version 1 of the wire is for TCP alone");
  if (mtu > LONGEST_UDP_PACKET) {
    refuse(`with --mtu ${mtu}: a datagram holds packets of at most ${LONGEST_UDP_PACKET} bytes`);
  }
  if (keys !== undefined) refuse("with several keys so far: use --key-file with one");
  if ("server" in options && hasForwards(options)) {
    refuse("with -L, -R or -D: forwards go over another URL, by a second client");
  }
}

/**
 * Returns null if the client neither sends all traffic through the tunnel nor has a kill switch.
 * @throws {TtunError} usage, where that would lead its own connection into the tunnel
 */
export function gatewayOf(
  { defaultRoute, killSwitch, exclude = [], io, server }: TunClientFlags,
  system: string,
): GatewayConfig | null {
  const option = defaultRoute ? "--default-route" : killSwitch ? "--kill-switch" : null;
  if (option === null) {
    if (exclude.length === 0) return null;
    throw new TtunError(
      "usage",
      "Cannot use --exclude without --default-route or --kill-switch: nothing else goes through " +
        "the tunnel but what --route names",
    );
  }
  const refuse = (words: string): never => {
    throw new TtunError("usage", `Cannot use ${option} ${words}`);
  };
  if (system !== "linux") refuse("here: it is for Linux only so far");
  if (io === "deno") refuse("with --io deno, whose sockets cannot be told from others");
  // An address is dialled by this program, whose sockets have a mark.
  const { load, makesTicket, hasOwnSockets } = entryOf(server.scheme);
  const isOthers = (load !== undefined || makesTicket === true || hasOwnSockets === true) &&
    addressOf(server) === null;
  if (isOthers && exclude.length === 0) {
    refuse(
      `with ${server.scheme}:, whose connections would be sent into the tunnel as well; keep the ` +
        "address that they go to beside the tunnel, with --exclude",
    );
  }
  return { defaultRoute, killSwitch, exclude };
}

/** @throws {TtunError} usage, for an option of another operating system */
export function refuseForSystem(options: TunFlags, system: string): void {
  const { wintun } = options;
  const ofLinux = "server" in options
    ? options.acceptRoutes
      ? "--accept-routes"
      : options.acceptDns
      ? "--accept-dns"
      : options.dns !== undefined
      ? "--dns"
      : null
    : options.nat !== undefined
    ? "--nat"
    : null;
  if (ofLinux !== null && system !== "linux") {
    throw new TtunError("usage", `Cannot use ${ofLinux} here: it is for Linux only so far`);
  }
  if (wintun === undefined || system === "windows") return;
  throw new TtunError("usage", "Cannot use --wintun: it is for Windows only; leave it out here");
}
