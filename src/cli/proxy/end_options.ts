import type { ProxyLimits } from "../../app/net/connection_limits.ts";
import type { ProxyHost } from "../../app/net/proxy_host.ts";
import type { ProxyClientOptions, ProxyServerOptions } from "../../app/system/proxy_options.ts";
import type { WireConfig } from "../../app/system/proxy_transport.ts";
import type { CongestionChoice } from "../../contract/connection.ts";
import type { Dialer, Listener } from "../../contract/dial.ts";
import { Acl } from "../../core/acl/acl.ts";
import { BypassRules } from "../../core/proxy/bypass_rules.ts";
import type { PlaneTools } from "../plane/run_plane.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import { rng } from "../platform/rng.ts";
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
    wire: { ...config.wire, makeCipher: ciphers.factory, congestion },
    limits,
  };
}

export function clientOptions(
  common: CommonOptions,
  end: ClientEnd,
  listener: Listener,
): ProxyClientOptions {
  return {
    ...common,
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
): ProxyServerOptions {
  return { ...common, keys, host, listen, rules: new Acl({ allow, deny, isOwn }) };
}
