import type { Cidr, HostPort } from "../../base/addr.ts";
import type { AddressRule } from "../../core/proxy/acl.ts";
import type { PlainError } from "../../base/errors.ts";
import type { LogLevel, LogRecord } from "../../base/log.ts";
import type { NamedKey } from "../../app/system/proxy_options.ts";
import type { ProxyLimits } from "../../app/net/connection_limits.ts";
import type { WireMode } from "../../app/link/config.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { ClientNetwork } from "../../core/ip/client_networks.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import type { PortRange } from "../../core/hop/port_range.ts";
import type { CipherMode } from "../platform/choose_cipher.ts";

/** Everything the data plane must know to begin. Crosses into the Worker once, by structured clone. */
export type PlaneConfig = TunConfig | ProxyConfig;

/** The Worker's first message. */
export interface WorkerInit {
  readonly config: PlaneConfig;
  /** For everything that follows. */
  readonly port: MessagePort;
  /** What is less urgent is not printed: it need not cross over. */
  readonly logLevel: LogLevel;
}

/** What a part of the data plane has of its Worker. */
export interface PlaneHost extends Pick<WorkerInit, "port" | "logLevel"> {
  /** Aborted by the order to stop. */
  readonly stop: AbortController;
}

/** Of a tunnel (plane.ts). */
export interface TunConfig {
  readonly kind: "tun";
  readonly carrier:
    | {
      readonly role: "server";
      readonly listen: HostPort;
      readonly many?: ManyClientsConfig;
    }
    | { readonly role: "client"; readonly server: HostPort; readonly retries: number };
  /** K of core/link/v1/kdf.ts: the pre-shared key itself stays in the main thread. */
  readonly psk: Uint8Array;
  /** Which versions of the wire are spoken. */
  readonly wire: WireMode;
  /** Version 2: keys are changed at the latest after so many seconds. */
  readonly rekeySeconds: number;
  readonly cipher: CipherName;
  readonly aead: CipherMode;
  readonly io: "auto" | "ffi" | "deno";
  /** Multipath TCP: undefined = as the system has it. */
  readonly mptcp: boolean | undefined;
  /** The kernel's name of a congestion control; undefined = as the system has it. */
  readonly congestion: string | undefined;
  /** The largest TCP segment of the connection; undefined = what the path carries. */
  readonly segmentSize: number | undefined;
  readonly device: string | undefined;
  /** Windows: where wintun.dll is; undefined = beside the program. */
  readonly wintun: string | undefined;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** Whether the user named them. */
  readonly addressesExplicit: boolean;
  /** Networks whose addresses a client takes from any server. */
  readonly accepted: readonly Cidr[];
  readonly peers: readonly Cidr[];
  readonly routes: readonly Cidr[];
  readonly mssClamp: boolean;
  /** Whether super-packets and open checksums may pass where both ends can. */
  readonly offload: boolean;
  /** User to become once everything is open. */
  readonly user: string | undefined;
  /** It is become later: when a session has begun and the --up command has run, as root. */
  readonly userAfterUp: boolean;
}

/** Many clients, which are given addresses. */
export interface ManyClientsConfig {
  readonly clients: number;
  /** The networks that the addresses are of. */
  readonly pool: readonly Cidr[];
  /** Networks behind clients. */
  readonly networks: readonly ClientNetwork[];
  /** Leases of an earlier run, the oldest first. */
  readonly leases: readonly Lease[];
}

/** What a tunnel's data plane has set up: for the log and for --up and --down. */
export interface TunFacts {
  readonly device: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  /** Where the server listens. */
  readonly listen?: string;
}

/** What is known only when a tunnel's data plane has begun: it takes a while to work out. */
export interface TunStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
  /** Client: this server has spoken version 2 with this key before. */
  readonly seenV2: boolean;
  /** Client: who it says that it is. */
  readonly identity?: ClientIdentity;
  /** Client: why it will be another one next time; null where it will not. */
  readonly whyForgotten?: string | null;
}

/** Of a proxy (plane.ts). */
export interface ProxyConfig {
  readonly kind: "proxy";
  readonly end:
    | {
      readonly role: "server";
      /** Where the ports of the hour are opened; "" = all addresses. */
      readonly host: string;
      readonly keys: readonly NamedKey[];
      readonly allow: readonly AddressRule[];
      readonly deny: readonly AddressRule[];
    }
    | {
      readonly role: "client";
      /** Name or address. */
      readonly server: string;
      readonly password: Uint8Array;
      readonly listen: HostPort;
      /** Entries of core/proxy/bypass_rules.ts. */
      readonly direct: readonly string[];
      readonly isEager: boolean;
      readonly auth: Credentials | null;
    };
  readonly cipher: CipherName;
  readonly aead: CipherMode;
  readonly io: "ffi" | "deno";
  readonly range: PortRange;
  /** The largest TCP segment between the two ends; undefined = what the path carries. */
  readonly segmentSize: number | undefined;
  /** The longest text of a frame; undefined = as long as the other end takes. */
  readonly mostText: number | undefined;
  readonly limits: ProxyLimits;
  /** User to become once everything is open. */
  readonly user: string | undefined;
}

/** Who may use a proxy, in UTF-8. */
export interface Credentials {
  readonly user: Uint8Array;
  readonly password: Uint8Array;
}

/** What a proxy's data plane has set up. */
export interface ProxyFacts {
  /** Where a client listens; a server's host, whose ports change. */
  readonly listen: string;
}

/**
 * From the main thread to the data plane. The order of a life:
 *
 *     main                          data plane
 *       (starts the Worker)   ──►
 *                             ◄──   listening (orders are heard from now on)
 *                             ◄──   ready (device and listener are there, if any)
 *       go (a server's --up   ──►
 *         has run)
 *                             ◄──   resolve, log … for as long as it runs
 *                             ◄──   addresses (of a client, at each session)
 *       taken (a client's     ──►
 *         --up has run)
 *       status                ──►
 *       stop                  ──►   (or it ends by itself)
 *                             ◄──   ended (everything is closed)
 *       (--down runs)
 */
export type PlaneCommand<Go = unknown> =
  | { readonly kind: "go"; readonly with: Go }
  | { readonly kind: "stop" }
  /** Log one line of counters. */
  | { readonly kind: "status" }
  | { readonly kind: "resolved"; readonly id: number; readonly addresses: readonly string[] }
  | { readonly kind: "unresolved"; readonly id: number; readonly error: PlainError }
  | { readonly kind: "taken"; readonly id: number };

/** From the data plane to the main thread. */
export type PlaneEvent<Facts = unknown> =
  /** Orders are announced by writing to this eventfd; null = the plane hears them without. */
  | { readonly kind: "listening"; readonly wakeFd: number | null }
  | { readonly kind: "log"; readonly record: LogRecord }
  | { readonly kind: "ready"; readonly facts: Facts }
  | { readonly kind: "resolve"; readonly id: number; readonly host: string }
  /** A client's session has these addresses; its packets wait until they are `taken`. */
  | { readonly kind: "addresses"; readonly id: number; readonly addresses: readonly string[] }
  /** Leases of clients that come back: to be kept for after a restart. */
  | { readonly kind: "leases"; readonly leases: readonly Lease[] }
  /** The server has spoken version 2: to be remembered. */
  | { readonly kind: "reportV2" }
  /** The last one; null = as it was ordered to. */
  | { readonly kind: "ended"; readonly error: PlainError | null };
