import type { HostPort } from "../../base/addr.ts";
import type { DatagramBinder } from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import type { BypassRules } from "../../core/proxy/bypass_rules.ts";
import type { Acl } from "../../core/acl/acl.ts";
import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { PortList } from "../../core/status/port_list.ts";
import type { ProxyLimits } from "../net/connection_limits.ts";
import type { ProxyHost } from "../net/proxy_host.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { WireConfig } from "./proxy_transport.ts";
import type { StreamDatagrams } from "./stream_server.ts";

/** Version 2 of the link, which carries proxied connections as streams of sessions. */
export interface ProxyLink {
  /** Of all keys, but for the secret that each has. Mode `v2`: tt is not spoken. */
  readonly secrets: Omit<WireSecrets, "s">;
  /** Works out the secret of a key; that takes a while. */
  readonly secretOf: (key: NamedKey) => Promise<Uint8Array>;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Has all sessions that there are. */
  readonly sessions?: SessionList | undefined;
}

export interface ProxyLinkServing extends ProxyLink {
  readonly datagrams: Omit<StreamDatagrams, "rules">;
  /** Called with a key that a client uses, once a minute. */
  readonly onUsed: (key: NamedKey) => void;
}

export interface ProxyLinkUse extends ProxyLink {
  /** 16 random bytes, one value for each process. */
  readonly instance: Uint8Array;
  /** Opens UDP sockets for programs of SOCKS; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
}

export interface ProxyServerOptions extends ProxyHost {
  readonly wire: WireConfig;
  readonly keys: readonly NamedKey[];
  /** Calls its argument with other keys than those of the beginning; absent = there are none. */
  readonly onKeys?: (use: (keys: readonly NamedKey[]) => void) => void;
  /** The host to listen on; "" = all addresses. */
  readonly host: string;
  /** @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  /** Has the ports while they are listened on. */
  readonly portList?: PortList | undefined;
  /** Milliseconds at this very moment: a clock may tell the time of its loop's last turn. */
  readonly preciseNow: () => number;
  readonly rules: Acl;
  readonly limits: ProxyLimits;
  /** Null = tt alone is spoken. */
  readonly links: ProxyLinkServing | null;
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
  /** Null = tt alone is spoken. */
  readonly link: ProxyLinkUse | null;
}
