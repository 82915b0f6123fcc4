import type { WireMode } from "../../app/link/config.ts";
import type { Cidr, HostPort } from "../../base/addr.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Lease } from "../../core/ip/address_pool.ts";
import type { ClientNetwork } from "../../core/ip/client_networks.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import type { CipherMode } from "../platform/choose_cipher.ts";

/** Config of a tunnel's data plane. */
export interface TunConfig {
  readonly kind: "tun";
  readonly end:
    | {
      readonly role: "server";
      readonly listen: HostPort;
      readonly many?: ManyClientsConfig;
    }
    | { readonly role: "client"; readonly server: HostPort; readonly retries: number };
  /** K of core/link/v1/kdf.ts. The pre-shared key itself stays in the main thread. */
  readonly psk: Uint8Array;
  /** Versions of the wire format that may be spoken. */
  readonly wire: WireMode;
  /** Version 2: longest time between two changes of keys, in seconds. */
  readonly rekeySeconds: number;
  readonly cipher: CipherName;
  readonly aead: CipherMode;
  readonly io: "auto" | "ffi" | "deno";
  /** Multipath TCP; undefined = the system's default. */
  readonly mptcp: boolean | undefined;
  /** The kernel's name of a congestion control; undefined = the system's default. */
  readonly congestion: string | undefined;
  /** Largest TCP segment of the connection, in bytes; undefined = the path's. */
  readonly segmentSize: number | undefined;
  readonly device: string | undefined;
  /** Windows: path of wintun.dll; undefined = beside the program. */
  readonly wintun: string | undefined;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  /** True if the user named the addresses, false if they are the defaults. */
  readonly addressesExplicit: boolean;
  /** Networks whose addresses a client takes from any server. */
  readonly accepted: readonly Cidr[];
  readonly peers: readonly Cidr[];
  readonly routes: readonly Cidr[];
  readonly mssClamp: boolean;
  /** Allows GSO packets and open checksums where both ends can handle them. */
  readonly offload: boolean;
  /** User to become once everything is open. */
  readonly user: string | undefined;
  /** Stays root until a session has begun and the --up command has run. */
  readonly userAfterUp: boolean;
}

/** A server with many clients, to which it gives addresses. */
export interface ManyClientsConfig {
  readonly clients: number;
  /** Networks that the addresses are taken from. */
  readonly pool: readonly Cidr[];
  /** Networks behind clients. */
  readonly networks: readonly ClientNetwork[];
  /** Leases of an earlier run, the oldest first. */
  readonly leases: readonly Lease[];
}

/** Set-up of a running tunnel, for the log and for --up and --down. */
export interface TunFacts {
  readonly device: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  /** Where the server listens. */
  readonly listen?: string;
}

/** Sent with the start, because it takes a while to work out. */
export interface TunStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
  /** Client: the server has spoken version 2 with this key before. */
  readonly seenV2: boolean;
  /** Client: its own description of itself. */
  readonly identity?: ClientIdentity;
  /** Client: why its identity will be another one next time; null if it stays. */
  readonly whyForgotten?: string | null;
}
