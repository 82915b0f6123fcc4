import type { HostPort } from "../../base/addr.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";

/** A pipe to a peer, or a STUN server; it crosses to the data plane's Worker. */
export interface PeerConfig extends CommonConfig {
  readonly kind: "peer";
  readonly task: PipeTask | StunTask;
}

export interface PipeTask {
  readonly kind: "pipe";
  /** The key that both ends have, which the link on the connection proves; null = none. */
  readonly link: WireChoice | null;
  /** False: the link runs on the bare connection, and there is a key. */
  readonly hasTls: boolean;
  /** The pipe goes on over other connections; takes a key. */
  readonly keeps: boolean;
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

export interface PeerStart {
  /** The secret of version 2 (core/link/v2/secrets.ts); null = there is no key. */
  readonly s: Uint8Array | null;
}

export interface StunTask {
  readonly kind: "stun";
  readonly listen: HostPort;
}
