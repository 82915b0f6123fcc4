import type { HostPort } from "../../base/addr.ts";
import type { Listener } from "../../contract/dial.ts";
import type { BypassRules } from "../../core/proxy/bypass_rules.ts";
import type { Acl } from "../../core/acl/acl.ts";
import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import type { ProxyHost } from "../net/proxy_host.ts";
import type { NamedKey } from "../tt/config.ts";
import type { WireConfig } from "./proxy_transport.ts";

export interface ProxyServerOptions extends ProxyHost {
  readonly wire: WireConfig;
  readonly keys: readonly NamedKey[];
  /** The host to listen on; "" = all addresses. */
  readonly host: string;
  /** @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly rules: Acl;
  readonly limits: ProxyLimits;
}

export interface ProxyClientOptions extends ProxyHost {
  readonly wire: WireConfig;
  readonly password: Uint8Array;
  readonly server: string;
  readonly listener: Listener;
  /** Targets that are reached from this machine, without the server. */
  readonly direct: BypassRules;
  readonly checksServer: boolean;
  /** Programs are told early that they are connected (inbound_options.ts). */
  readonly isEager: boolean;
  readonly auth: CheckPassword | null;
  readonly limits: ProxyLimits;
}
