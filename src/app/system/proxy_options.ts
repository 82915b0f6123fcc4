import type { HostPort } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import type { CipherFactory, CipherName } from "../../contract/cipher.ts";
import type { Clock, Resolver, Rng } from "../../contract/host.ts";
import type { Dialer, Listener } from "../../contract/stream.ts";
import type { BypassRules } from "../../core/proxy/bypass_rules.ts";
import type { Acl } from "../../core/proxy/acl.ts";
import type { CheckPassword } from "../../core/proxy/socks/socks5_server.ts";
import type { PortRange } from "../../core/hop/port_range.ts";

/** What both ends of a proxy have of the world. */
export interface ProxyHost {
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Unix milliseconds: the keys and ports follow it. */
  readonly wallClock: () => number;
  readonly rng: Rng;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Is given once what is counted, to be asked whenever somebody wants to know. */
  readonly onCounters?: (counters: () => ProxyCounters) => void;
}

export interface ProxyCounters {
  /** Now. */
  readonly connections: number;
  /** Since the start, those of now among them. */
  readonly served: number;
  /** Now: those that have not shown the password or not said what they want, and idle carriers. */
  readonly pending: number;
}

/** What both ends must be given the same, and what else of the wire can be set. */
export interface TtWire {
  readonly cipher: CipherName;
  readonly makeCipher: CipherFactory;
  readonly range: PortRange;
  /** The longest text of a frame (`--mtu`); undefined = as long as the peer takes. */
  readonly mostText: number | undefined;
}

/** What a proxy may take of the machine. */
export interface ProxyLimits {
  /** Connections at once. */
  readonly total: number;
  /** Of these from one IPv4 address, or one IPv6 /64. */
  readonly perAddress: number;
  /** A connection without a byte either way for so long is closed; Infinity = never. */
  readonly idleMs: number;
  /** Silence after which a connection of which one way has ended is closed. */
  readonly halfClosedMs: number;
  /** For a target to answer, its name's resolution included. */
  readonly connectMs: number;
}

export const DEFAULT_LIMITS: ProxyLimits = {
  total: 16_384,
  perAddress: 8192, // a client, with all its programs behind it, is one address
  idleMs: 3_600_000,
  halfClosedMs: 300_000, // for programs that end their input and wait for a long answer
  connectMs: 10_000,
};

/** A password, and whose it is, for the log; "" where there is only one. */
export interface NamedKey {
  readonly name: string;
  /** UTF-8. */
  readonly password: Uint8Array;
}

export interface ProxyServerOptions extends ProxyHost {
  readonly wire: TtWire;
  readonly keys: readonly NamedKey[];
  /** "" = all addresses. */
  readonly host: string;
  /** @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: HostPort, o: { signal: AbortSignal }) => Listener;
  readonly rules: Acl;
  readonly limits: ProxyLimits;
}

export interface ProxyClientOptions extends ProxyHost {
  readonly wire: TtWire;
  readonly password: Uint8Array;
  /** Host name or address of the server. */
  readonly server: string;
  /** Where programs connect to. */
  readonly listener: Listener;
  /** Targets that are connected to from here, past the tunnel. */
  readonly direct: BypassRules;
  /** The server is tried once at the start, and the log says what was found. */
  readonly checksServer: boolean;
  /** Programs are told that they are connected before their target is (inbound.ts). */
  readonly isEager: boolean;
  /** Who may use the listener; null = whoever reaches it. */
  readonly auth: CheckPassword | null;
  readonly limits: ProxyLimits;
}
