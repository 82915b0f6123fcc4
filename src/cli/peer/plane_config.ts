import type { HostPort } from "../../base/addr.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { TicketListen, TicketPlace } from "./via_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";

/** Tasks of `ttun peer` and `ttun stun-server`; it crosses to the data plane's Worker. */
export interface PeerConfig extends CommonConfig {
  readonly kind: "peer";
  readonly task: PeerTask;
}

/** How far a pipe is, on a terminal. */
export interface ProgressTask {
  /** Bytes of standard input, null = nobody knows; undefined = nothing is shown. */
  readonly inputSize: number | null | undefined;
}

export type PeerTask = AddressTask | ListenTask | ConnectTask | StunTask;

export interface PeerStart {
  /** The secret of version 2 (core/link/v2/secrets.ts); null = there is no key. */
  readonly s: Uint8Array | null;
}

/** How this machine finds its public address. */
export interface OwnAddressTask {
  /** Undefined = what `stun` finds. */
  readonly myIp: string | undefined;
  readonly localPort: number;
  readonly stun: HostPort | undefined;
}

/** A pipe to a peer whose address is known, and who knows this end's. */
export interface AddressTask extends OwnAddressTask, ProgressTask {
  readonly kind: "address";
  /** Undefined = only the public address is wanted. */
  readonly peerIp: string | undefined;
  readonly remotePort: number;
  readonly keepAlive: boolean;
  readonly deadlineMs: number;
  /** SHA-256 of the certificate that the connection must have; undefined = any. */
  readonly fingerprint: Uint8Array | undefined;
  /** The key that both ends have, which the link on the connection proves; null = none. */
  readonly link: WireChoice | null;
  /** False: the link runs on the bare connection, and there is a key. */
  readonly hasTls: boolean;
  /** The pipe goes on over other connections; takes a key. */
  readonly keeps: boolean;
}

/** A pipe to whoever comes with the ticket that it makes. */
export interface ListenTask extends TicketListen, ProgressTask {
  readonly kind: "listen";
  readonly link: WireChoice;
  readonly keeps: boolean;
}

/** A pipe to the peer that has made a ticket. */
export interface ConnectTask extends ProgressTask {
  readonly kind: "connect";
  /** Name of the ticket for logs. */
  readonly name: string;
  readonly place: TicketPlace;
  readonly deadlineMs: number;
  readonly link: WireChoice;
  readonly keeps: boolean;
}

export interface StunTask {
  readonly kind: "stun";
  readonly listen: HostPort;
}
