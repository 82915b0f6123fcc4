import { TtunError } from "../../base/errors.ts";
import type { HopAddress, KeyedHopAddress } from "../../core/hop/hop_address.ts";
import { type Endpoint, hopOf } from "./endpoint.ts";

/** Part of a data plane's config. */
export interface HopKey {
  /** The key in its own bytes, from which ports that hop follow; absent = none do. */
  readonly hopKey?: Uint8Array;
}

export function hopKeyFor(endpoints: readonly Endpoint[], key: Uint8Array): HopKey {
  return endpoints.some((one) => hopOf(one) !== null) ? { hopKey: key } : {};
}

/** @throws {TtunError} internal, if the config was made for other endpoints */
export function keyedHop(hop: HopAddress, { hopKey: key }: HopKey): KeyedHopAddress {
  if (key === undefined) throw new TtunError("internal", "Cannot tell the ports without the key");
  return { ...hop, key };
}
