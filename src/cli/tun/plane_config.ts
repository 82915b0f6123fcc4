import type { NamedKey } from "../../base/named_key.ts";
import type { CipherChoice } from "../command/cipher_choice.ts";
import type { WireMode } from "../../app/link/config.ts";
import type { Cidr } from "../../base/addr.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { ClientNetwork } from "../../core/ip/client_networks.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { ClientForwards, StreamRules } from "../forward/plane_config.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { HopKey } from "../transport/hop_key.ts";

export interface TunConfig extends CommonConfig, HopKey {
  readonly kind: "tun";
  readonly end:
    | {
      readonly role: "server";
      /** Undefined = there is one key, whose secret comes with the start. */
      readonly keys: readonly NamedKey[] | undefined;
      readonly listen: readonly Endpoint[];
      readonly many?: ManyClientsConfig;
      readonly pushed: PushedSettings;
      /** Rules for the forwards of clients (version 2). */
      readonly streams: StreamRules;
    }
    | {
      readonly role: "client";
      readonly server: Endpoint;
      readonly retries: number;
      /** Absent = there are none. */
      readonly forwards?: ClientForwards;
    };
  /** K of core/link/v1/kdf.ts. The pre-shared key stays in the main thread if no ports hop. */
  readonly psk: Uint8Array;
  readonly wire: WireMode;
  /** Version 2: seconds between two changes of keys, at most. */
  readonly rekeySeconds: number;
  readonly cipher: CipherChoice;
  readonly io: "auto" | "ffi" | "deno";
  /** Multipath TCP; undefined = the system's default. */
  readonly mptcp: boolean | undefined;
  /** `auto`, `system`, or the kernel's name of a congestion control. */
  readonly congestion: string;
  /** Bytes of TCP segments; undefined = the path's. */
  readonly segmentSize: number | undefined;
  /** Runs the data path on packets of its own at the start. */
  readonly warmUp: boolean;
  readonly device: string | undefined;
  /** Path of wintun.dll; undefined = beside the program. */
  readonly wintun: string | undefined;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** The user named the addresses; otherwise they are the defaults. */
  readonly addressesExplicit: boolean;
  /** A client takes addresses in these networks from any server. */
  readonly accepted: readonly Cidr[];
  readonly peers: readonly Cidr[];
  readonly routes: readonly Cidr[];
  /** A client's; null = neither all traffic goes through the tunnel, nor is there a kill switch. */
  readonly gateway: GatewayConfig | null;
  /** A server's: the interface by which clients reach other networks; null = they do not. */
  readonly nat: string | null;
  /** A client takes routes from its server. */
  readonly acceptRoutes: boolean;
  /** A client's name servers for its machine; null = they stay as they are. */
  readonly dns: DnsConfig | null;
  readonly mssClamp: boolean;
  /** Allows GSO packets and open checksums, where both ends can handle them. */
  readonly offload: boolean;
  /** Stays root until a session has begun and --up has run. */
  readonly userAfterUp: boolean;
}

export interface DnsConfig {
  /** IP addresses that the user gave; without any those of the server are accepted. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
}

export interface GatewayConfig {
  readonly defaultRoute: boolean;
  readonly killSwitch: boolean;
  /** Networks that are kept beside the tunnel. */
  readonly exclude: readonly Cidr[];
}

export interface ManyClientsConfig {
  readonly clients: number;
  readonly pool: readonly Cidr[];
  readonly networks: readonly ClientNetwork[];
  /** Leases of an earlier run, the oldest first. */
  readonly leases: readonly Lease[];
}

/** Facts for the log, --up and --down. */
export interface TunFacts {
  readonly device: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  /** A server's listeners, separated by blanks. */
  readonly listen?: string;
}

/** Sent with the start, because it takes a while to work out. */
export interface TunStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
  /** Client: the server has spoken version 2 with this key before. */
  readonly seenV2: boolean;
  /** Client: where an earlier one has found the server of that name and key. */
  readonly lastAddress?: string;
  readonly identity?: ClientIdentity;
  /** Client: why its identity will be another one next time; null if it stays. */
  readonly whyForgotten?: string | null;
}
