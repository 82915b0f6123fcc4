import type { Probe } from "../../app/system/link_probe.ts";
import type { CommonConfig } from "../plane/common_config.ts";
import type { WireChoice } from "../plane/wire_secrets.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import type { HopKey } from "../transport/hop_key.ts";

/** A measurement; it crosses to the data plane's Worker. */
export interface MeasureConfig extends WireChoice, CommonConfig, HopKey {
  readonly kind: "measure";
  readonly server: Endpoint;
  readonly probe: Probe;
  readonly io: "ffi" | "deno";
  readonly mptcp: boolean | undefined;
  /** `auto`, `system`, or the kernel's name of a congestion control. */
  readonly congestion: string;
  /** Bytes of TCP segments; undefined = the path's. */
  readonly segmentSize: number | undefined;
}

export interface MeasureStart {
  /** The secret of version 2 (core/link/v2/secrets.ts). */
  readonly s: Uint8Array;
}
