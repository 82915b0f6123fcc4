import type { PortRange } from "../../base/port_range.ts";

/** A host whose ports follow from a key and the time. */
export interface HopAddress {
  /** "" = all addresses of a server. */
  readonly host: string;
  readonly range: PortRange;
}

export interface KeyedHopAddress extends HopAddress {
  /** The key in its own bytes (docs/wire/tt-v1.md, 1.1). */
  readonly key: Uint8Array;
}
