import { parseCidr, withoutDoubles } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { pskKey } from "../../core/link/v1/kdf.ts";
import { firstHost } from "../../core/ip/address_pool.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { clientForwards, hasForwards, streamRules } from "../forward/stream_rules.ts";
import { metricsPlace } from "../status/metrics_place.ts";
import { statusPlace } from "../status/place.ts";
import { hopOf } from "../transport/endpoint.ts";
import { hopKeyFor } from "../transport/hop_key.ts";
import { resolveListen } from "../transport/resolve_listen.ts";
import { dnsOf, gatewayOf, pushedSettings } from "./conflicts.ts";
import { DEFAULT_ADDRESSES } from "./default_addresses.ts";
import type { TunFlags } from "./options.ts";
import type { ManyClientsConfig, TunConfig } from "./plane_config.ts";

/** Joins the options with what was read and asked for them. @throws {TtunError} usage */
export async function planeConfig(
  options: TunFlags,
  key: Uint8Array,
  keys: readonly NamedKey[] | undefined,
  many: ManyClientsConfig | undefined,
  signal: AbortSignal,
): Promise<TunConfig> {
  const isClient = "server" in options;
  const addresses = options.address ?? [];
  const asked = addresses.length > 0;
  const peers = options.peerAddress ?? [];
  const defaults = many?.pool.map(firstHost) ??
    DEFAULT_ADDRESSES[isClient ? "client" : "server"].map(parseCidr);
  for (const family of [4, 6]) {
    if (peers.filter((peer) => peer.family === family).length > 1) {
      throw new TtunError(
        "usage",
        `Cannot have two IPv${family} peers: give --peer-address once for each family`,
      );
    }
  }
  const dns = isClient ? dnsOf(options) : null;
  const ends = isClient ? [options.server] : options.listen;
  const hops = isClient && hopOf(options.server) !== null;
  return {
    kind: "tun",
    ...hopKeyFor(ends, key),
    end: isClient
      ? {
        role: "client",
        server: options.server,
        retries: options.once ? 0 : options.retries ?? Infinity,
        ...(hasForwards(options) && { forwards: clientForwards(options) }),
      }
      : {
        role: "server",
        keys,
        listen: await Promise.all(
          options.listen.map((one) => resolveListen(one, signal)),
        ),
        ...(many !== undefined && { many }),
        pushed: pushedSettings(options),
        streams: streamRules(options),
      },
    psk: pskKey(key),
    // Only version 2 can assign addresses, tell keys apart, and go on from port to port.
    wire: many === undefined && keys === undefined && !hops ? options.wire : "v2",
    rekeySeconds: options.rekey ?? LONGEST_REKEY,
    cipher: options.cipher,
    aead: options.aead,
    io: options.io,
    mptcp: options.mptcp,
    congestion: options.congestion,
    segmentSize: options.segmentSize,
    warmUp: !options.noWarmUp,
    device: options.device,
    wintun: options.wintun,
    mtu: options.mtu,
    addresses: asked ? addresses : defaults,
    addressesExplicit: asked,
    accepted: isClient ? options.acceptAddresses ?? [] : [],
    peers,
    routes: withoutDoubles(options.route ?? []),
    gateway: isClient ? gatewayOf(options, Deno.build.os) : null,
    nat: isClient ? null : options.nat ?? null,
    acceptRoutes: isClient && options.acceptRoutes,
    dns,
    mssClamp: options.mssClamp,
    offload: options.offload !== "off",
    user: options.user,
    status: statusPlace(isClient ? "client" : "server", options),
    metrics: metricsPlace(isClient ? "client" : "server", options),
    userAfterUp: isClient && options.user !== undefined &&
      (dns !== null || (options.up !== undefined && options.wire !== "v1")),
  };
}
