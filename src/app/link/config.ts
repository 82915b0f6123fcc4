import type { Cidr } from "../../base/addr.ts";
import type { LogFields } from "../../base/log.ts";
import { Offload } from "../../contract/batch.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Link } from "../../contract/link.ts";
import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import type { CipherCosts, CipherReason } from "../../core/link/v2/cipher_choice.ts";
import type { HandshakeConfig } from "../../core/link/v2/handshake.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import { Capability, type Offer } from "../../core/link/v2/setup.ts";
import type { KeyExchange } from "../../core/link/v2/secrets.ts";
import type { HandshakeKeys } from "../../core/link/v1/handshake.ts";
import { DEAD_TIME } from "./keepalive.ts";
import type { KeyRing } from "./key_ring.ts";
import type { RekeyLimits } from "./record_writer.ts";
import type { V2Link } from "./v2_link.ts";

/** `auto` detects the peer's version. */
export type WireMode = "auto" | "v1" | "v2";

export interface WireSecrets {
  readonly mode: WireMode;
  /** Version 1: the key K and the cipher factory. */
  readonly v1: Omit<HandshakeKeys, "nonce">;
  /** Version 2: the secret S (core/link/v2/secrets.ts); unused in mode v1. */
  readonly s: Uint8Array;
  /** A server's: returns why the process of that instance gets no session; null = it may have one. */
  readonly guard?: ((instance: Uint8Array) => TurnedAway | null) | undefined;
  /** A server's keys, where there are several; `s` is unused then. */
  readonly keys?: KeyRing | undefined;
  readonly keyExchange: KeyExchange;
  readonly rng: Rng;
  readonly wallClock: () => number;
  readonly rekey?: RekeyLimits;
  /** Version 2: costs of this end's ciphers as of now, as `HandshakeConfig` has them. */
  readonly costs?: () => CipherCosts | null | undefined;
}

/** Words for a client that is turned away. */
export interface TurnedAway {
  /** Of a close frame. */
  readonly code: number;
  readonly words: string;
}

export interface PeerLink {
  readonly wire: "v1" | "v2";
  readonly cipher?: CipherName;
  readonly cipherReason?: CipherReason | null;
  readonly link: Link;
  /** The link itself where it can carry streams beside packets. */
  readonly v2?: V2Link;
  /** At a client: the addresses that the server assigned to it. */
  readonly addresses?: readonly Cidr[];
  /** At a client: wishes of the server for its machine (version 2). */
  readonly pushed?: PushedSettings;
  /** Milliseconds, NaN before they are known; absent in version 1. */
  readonly rttMs?: () => number;
  /** At a server (version 2): the client is told which segment size passes on its path. */
  readonly tellSegmentSize?: (bytes: number) => void;
  /** True if a ping has been unanswered for a while (version 2). */
  readonly isUnanswered?: () => boolean;
  /** True if the peer should have answered by now (version 2). */
  readonly isSuspect?: () => boolean;
  /** Runs during the session and throws when the peer is dead. */
  readonly watch?: (signal: AbortSignal) => Promise<void>;
  /** Waits until what is to go by a connection that the peer has ended is written (version 2). */
  readonly drained?: (signal: AbortSignal) => Promise<void>;
  /** Resolves to true if the peer answers a ping in time. */
  readonly probe?: (signal: AbortSignal) => Promise<boolean>;
}

const NO_BINDING = new Uint8Array();

function offloadBits(takes: number): number {
  return ((takes & Offload.tcp) !== 0 ? Capability.tcpOffload : 0) |
    ((takes & Offload.udp) !== 0 ? Capability.udpOffload : 0);
}

/** Offer of an end that carries a device's packets. `takes`: its offloads (bits of `Offload`). */
export function packetOffer(takes: number): Offer {
  return {
    capabilities: Capability.tun | offloadBits(takes),
    windows: [0, 0, 0],
    deadTime: DEAD_TIME,
  };
}

/** The third argument is the connection of the handshake. */
export function handshakeConfig(
  o: WireSecrets,
  offer: Offer,
  { binding = NO_BINDING, packets }: Pick<Connection, "binding" | "packets">,
): HandshakeConfig {
  return {
    s: o.s,
    makeCipher: o.v1.makeCipher,
    keyExchange: o.keyExchange,
    rng: o.rng,
    binding,
    offer: packets === undefined ? offer : withPackets(offer),
    costs: o.costs?.(),
    ciphers: [o.v1.cipher, ...CIPHER_NAMES.filter((name) => name !== o.v1.cipher)],
  };
}

function withPackets(offer: Offer): Offer {
  return { ...offer, capabilities: offer.capabilities | Capability.packets };
}

const WHY: Record<CipherReason, string> = {
  order: "the server's order",
  speed: "the speeds of both ends",
  named: "--cipher",
};

/** Returns fields of a log line: which cipher is used, and at a client why. */
export function cipherFields(
  { cipher, cipherReason = null }: Pick<PeerLink, "cipher" | "cipherReason">,
): LogFields {
  if (cipher === undefined) return {};
  return { cipher, ...(cipherReason !== null && { cipher_by: WHY[cipherReason] }) };
}
