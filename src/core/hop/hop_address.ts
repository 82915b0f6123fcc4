import type { PortRange } from "../../base/port_range.ts";
import { formatPortRange } from "./port_range.ts";

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

export function formatHopAddress({ host, range }: HopAddress): string {
  const bracketed = host.includes(":") ? `[${host}]` : host;
  return `hop://${bracketed}?range=${formatPortRange(range)}`;
}
