import type { ProxyLimits } from "../../app/net/connection_limits.ts";
import type { ProxyHost } from "../../app/net/proxy_host.ts";
import type {
  ProxyClientOptions,
  ProxyLink,
  ProxyLinkServing,
  ProxyLinkUse,
  ProxyServerOptions,
} from "../../app/system/proxy_options.ts";
import type { WireConfig } from "../../app/system/proxy_transport.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import { Acl } from "../../core/acl/acl.ts";
import { BypassRules } from "../../core/proxy/bypass_rules.ts";
import { ID_SIZE } from "../../core/link/v2/setup.ts";
import { namedCipher } from "../command/cipher_choice.ts";
import { DEFAULT_UDP_IDLE, LONGEST_REKEY } from "../command/session_options.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import { wireSecrets } from "../plane/wire_secrets.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
import { udpSockets } from "../platform/udp_sockets.ts";
import { passwordCheck } from "./auth.ts";
import type { ProxyConfig } from "./plane_config.ts";

/*
 * Options of the two ends, for the program and for its warm-up: made by one function each, so that
 * their objects have the same hidden classes.
 */

export type ClientEnd = Extract<ProxyConfig["end"], { role: "client" }>;
export type ServerEnd = Extract<ProxyConfig["end"], { role: "server" }>;

export interface CommonOptions extends ProxyHost {
  readonly wire: WireConfig;
  readonly limits: ProxyLimits;
}

export function commonOptions(
  config: ProxyConfig,
  { platform, ciphers, resolver }: PlaneTools<SocketPlatform, null>,
  { dialer, congestion, limits }: {
    readonly dialer: Dialer;
    readonly congestion: CongestionChoice | undefined;
    readonly limits: ProxyLimits;
  },
): Omit<CommonOptions, "log" | "signal"> {
  return {
    dialer,
    resolver,
    clock: platform.clock,
    wallClock: Date.now,
    rng,
    wire: {
      ...config.wire,
      cipher: namedCipher(config.wire.cipher),
      makeCipher: ciphers.factory,
      congestion,
    },
    limits,
  };
}

/** Version 2 of the link beside tt; null = tt alone is spoken. */
function linkOf(
  { wire: { mode, cipher, keepMs } }: ProxyConfig,
  { ciphers, port, sessions, signal }: PlaneTools<SocketPlatform, null>,
): ProxyLink | null {
  if (mode === "v1") return null;
  // Version 1 of the tunnel's wire is not spoken, and its key is none.
  const choice = { wire: mode, psk: new Uint8Array(), cipher, rekeySeconds: LONGEST_REKEY };
  return {
    secrets: wireSecrets(choice, ciphers, new Uint8Array()),
    secretOf: ({ password }) => port.linkSecret(password, signal),
    keepMs,
    sessions,
  };
}

export function linkUse(
  config: ProxyConfig,
  tools: PlaneTools<SocketPlatform, null>,
): ProxyLinkUse | null {
  const link = linkOf(config, tools);
  if (link === null) return null;
  const sockets = udpSockets(tools.platform);
  const bind: ProxyLinkUse["bind"] = sockets === null ? null : (at, o) => sockets.bind(at, o);
  return { ...link, instance: rng(ID_SIZE), bind };
}

export function linkServing(
  config: ProxyConfig,
  tools: PlaneTools<SocketPlatform, null>,
): ProxyLinkServing | null {
  const link = linkOf(config, tools);
  if (link === null) return null;
  const { platform, port, resolver } = tools;
  const datagrams = {
    sockets: udpSockets(platform),
    resolver,
    idleMs: DEFAULT_UDP_IDLE * 1000,
  };
  return {
    ...link,
    datagrams,
    onUsed: ({ password: key }) => port.report({ kind: "keyUsed", key }),
  };
}

export function clientOptions(
  common: CommonOptions,
  end: ClientEnd,
  listener: Listener,
  link: ProxyLinkUse | null,
): ProxyClientOptions {
  return {
    ...common,
    link,
    password: end.password,
    server: end.server,
    listener,
    direct: new BypassRules(end.direct),
    checksServer: true,
    isEager: end.isEager,
    auth: end.auth === null ? null : passwordCheck(end.auth),
  };
}

export function serverOptions(
  common: CommonOptions,
  { keys, host, allow, deny }: ServerEnd,
  listen: ProxyServerOptions["listen"],
  isOwn: (ip: Uint8Array) => boolean,
  links: ProxyLinkServing | null,
): ProxyServerOptions {
  const preciseNow = () => performance.now();
  const rules = new Acl({ allow, deny, isOwn });
  return { ...common, links, keys, host, listen, preciseNow, rules };
}
