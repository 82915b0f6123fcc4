import type { CommonConfig } from "../plane/common_config.ts";

/** A pipe to a peer; it crosses to the data plane's Worker. */
export interface PeerConfig extends CommonConfig {
  readonly kind: "peer";
  readonly myIp: string;
  readonly peerIp: string;
  readonly localPort: number;
  readonly remotePort: number;
  readonly keepAlive: boolean;
  readonly deadlineMs: number;
  /** SHA-256 of the certificate that the connection must have; undefined = any. */
  readonly fingerprint: Uint8Array | undefined;
}
