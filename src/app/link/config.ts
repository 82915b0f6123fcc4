import type { Cidr } from "../../base/addr.ts";
import { Offload } from "../../base/packets.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Rng } from "../../contract/host.ts";
import type { Link } from "../../contract/packet.ts";
import type { HandshakeConfig } from "../../core/link/v2/handshake.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import type { KeyExchange } from "../../core/link/v2/secrets.ts";
import type { HandshakeKeys } from "../../core/link/v1/handshake.ts";
import { DEAD_TIME } from "./keepalive.ts";
import type { RekeyLimits } from "./v2_link.ts";

/** Which versions an end speaks. `auto` finds out which one the peer does. */
export type WireMode = "auto" | "v1" | "v2";

/** What both ends need to speak either version. */
export interface WireSecrets {
  readonly mode: WireMode;
  /** Version 1: K and how ciphers are made. */
  readonly v1: Omit<HandshakeKeys, "nonce">;
  /** Version 2: S of core/link/v2/secrets.ts; unused with mode v1. */
  readonly s: Uint8Array;
  readonly keyExchange: KeyExchange;
  readonly rng: Rng;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  readonly rekey?: RekeyLimits;
}

/** A link with a peer, of either version, and how its life is asked for. */
export interface PeerLink {
  readonly wire: "v1" | "v2";
  readonly link: Link;
  /** At a client: the addresses that the server gives it. */
  readonly addresses?: readonly Cidr[];
  /** The last round-trip time in milliseconds, where the version can tell; NaN before it is known. */
  readonly rttMs?: () => number;
  /** At a server: tells the client which size of segments passes on its path (version 2). */
  readonly tellSegmentSize?: (bytes: number) => void;
  /** True when the peer has left a question of ours unanswered for a while (version 2). */
  readonly isUnanswered?: () => boolean;
  /** Runs beside the session and ends it when the peer is dead. */
  readonly watch?: (signal: AbortSignal) => Promise<void>;
  /** Asks for a sign of life now; whether one has come in time. */
  readonly probe?: (signal: AbortSignal) => Promise<boolean>;
}

function offloadBits(takes: number): number {
  return ((takes & Offload.tcp) !== 0 ? Capability.tcpOffload : 0) |
    ((takes & Offload.udp) !== 0 ? Capability.udpOffload : 0);
}

/**
 * This end as a party of version 2's handshake: a tunnel without streams, the favourite cipher
 * first. `takes`: which offloads its device can take (bits of `Offload`).
 */
export function linkParty(o: WireSecrets, takes: number): HandshakeConfig {
  const other: CipherName = o.v1.cipher === "aes-256-gcm" ? "chacha20-poly1305" : "aes-256-gcm";
  return {
    s: o.s,
    makeCipher: o.v1.makeCipher,
    keyExchange: o.keyExchange,
    rng: o.rng,
    binding: new Uint8Array(),
    offer: {
      capabilities: Capability.tun | offloadBits(takes),
      windows: [0, 0, 0],
      deadTime: DEAD_TIME,
    },
    ciphers: [o.v1.cipher, other],
  };
}
