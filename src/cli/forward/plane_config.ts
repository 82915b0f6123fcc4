import type { ListeningForward } from "../../app/system/forward_table.ts";
import type { NamedKey } from "../../base/named_key.ts";
import type { ForwardTarget } from "../../base/target.ts";
import type { ListenRule } from "../../core/acl/listen_rule.ts";
import type { Rule } from "../../core/acl/rule.ts";
import type { RemoteForwardSpec } from "../../core/forward/spec.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { HopKey } from "../transport/hop_key.ts";

/** Forwards without a device; it crosses to the data plane's Worker. */
export interface ForwardConfig extends WireChoice, CommonConfig, HopKey {
  readonly kind: "forward";
  readonly end: ForwardClientEnd | ForwardServerEnd;
  readonly io: "ffi" | "deno";
  readonly mptcp: boolean | undefined;
  /** `auto`, `system`, or the kernel's name of a congestion control. */
  readonly congestion: string;
  /** Bytes of TCP segments between the two ends; undefined = the path's. */
  readonly segmentSize: number | undefined;
}

export interface ForwardClientEnd {
  readonly role: "client";
  readonly server: Endpoint;
  /** Attempts in a row that may follow a failed one; Infinity = no limit. */
  readonly retries: number;
  /** Those before the first session; absent = `retries`. */
  readonly firstRetries?: number;
  readonly forwards: ClientForwards;
  /** Target of standard input and output; absent = they are not forwarded. */
  readonly stdio?: ForwardTarget;
}

export interface ClientForwards {
  readonly specs: readonly ListeningForward[];
  readonly remotes: readonly RemoteForwardSpec[];
  readonly exitOnFailure: boolean;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Milliseconds of silence after which a flow of datagrams ends. */
  readonly udpIdleMs: number;
}

export interface ForwardServerEnd {
  readonly role: "server";
  /** Undefined = there is one key, whose secret comes with the start. */
  readonly keys: readonly NamedKey[] | undefined;
  readonly listen: readonly Endpoint[];
  readonly streams: StreamRules;
}

/** Rules of a server for forwards. */
export interface StreamRules {
  readonly allow: readonly Rule[];
  readonly deny: readonly Rule[];
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Milliseconds of silence after which a flow of datagrams ends. */
  readonly udpIdleMs: number;
  readonly permitListen: readonly ListenRule[];
  /** Bytes per second of each pair of clients that meet here and are relayed; 0 = none are. */
  readonly relayRate: number;
}

export interface ForwardFacts {
  /** Addresses of a server's listeners, with spaces between them. */
  readonly listen?: string;
}

export interface ForwardStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
}
