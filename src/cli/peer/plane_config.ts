import type { HostPort } from "../../base/addr.ts";
import type { CommonConfig } from "../plane/common_config.ts";

/** A pipe to a peer, or a STUN server; it crosses to the data plane's Worker. */
export interface PeerConfig extends CommonConfig {
  readonly kind: "peer";
  readonly task: PipeTask | StunTask;
}

export interface PipeTask {
  readonly kind: "pipe";
  /** Undefined = what `stun` finds. */
  readonly myIp: string | undefined;
  /** Undefined = only the public address is wanted. */
  readonly peerIp: string | undefined;
  readonly localPort: number;
  readonly remotePort: number;
  readonly stun: HostPort | undefined;
  readonly keepAlive: boolean;
  readonly deadlineMs: number;
  /** SHA-256 of the certificate that the connection must have; undefined = any. */
  readonly fingerprint: Uint8Array | undefined;
}

export interface StunTask {
  readonly kind: "stun";
  readonly listen: HostPort;
}
