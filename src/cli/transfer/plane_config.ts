import type { SourcePath } from "../../io/transfer/source_files.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { HopKey } from "../transport/hop_key.ts";

/** A transfer of files; it crosses to the data plane's Worker. */
export interface TransferConfig extends WireChoice, CommonConfig, HopKey {
  readonly kind: "transfer";
  readonly end: TransferEnd;
  readonly task: SendTask | ReceiveTask;
  readonly io: "ffi";
  readonly mptcp: boolean | undefined;
  /** `auto`, `system`, or the kernel's name of a congestion control. */
  readonly congestion: string;
  /** Bytes of TCP segments; undefined = the path's. */
  readonly segmentSize: number | undefined;
  /** Seconds that a session without a connection is kept. */
  readonly keepSeconds: number;
}

export type TransferEnd =
  | { readonly role: "client"; readonly server: Endpoint }
  | { readonly role: "server"; readonly listen: Endpoint };

export interface SendTask {
  readonly kind: "send";
  /** Null = standard input. */
  readonly paths: readonly SourcePath[] | null;
  readonly follows: boolean;
  /** Bytes per second; undefined = as fast as it goes. */
  readonly limit: number | undefined;
}

export interface ReceiveTask {
  readonly kind: "receive";
  /** Null = standard output. */
  readonly folder: string | null;
  readonly overwrites: boolean;
}

export interface TransferStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
}
