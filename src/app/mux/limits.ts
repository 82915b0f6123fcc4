import type { Offer } from "../../core/link/v2/setup.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import type { MuxWindows } from "../../core/mux/mux.ts";
import { DEAD_TIME } from "../link/keepalive.ts";

/**
 * Flow control at the beginning. A stream that nobody reads holds its first window, so that is
 * small; it doubles with each round trip in which a reader used it up.
 */
export const FIRST_WINDOWS: MuxWindows = { stream: 65_536, total: 1 << 20, streams: 16_384 };

/** Bytes that the window of one stream, and that of a session, may grow to. */
export const MOST_STREAM = 16 << 20;
export const MOST_TOTAL = 64 << 20;

/** Offer of an end that carries streams. `deadTime`: seconds without a byte until a peer is dead. */
export function streamOffer(deadTime = DEAD_TIME): Offer {
  return withStreams({ capabilities: 0, windows: [0, 0, 0], deadTime });
}

/** Returns the offer with streams beside what it has. */
export function withStreams(offer: Offer): Offer {
  const { stream, total, streams } = FIRST_WINDOWS;
  const capabilities = offer.capabilities | Capability.streams | Capability.datagrams;
  return { ...offer, capabilities, windows: [stream, total, streams] };
}

export function peerWindows({ windows: [stream, total, streams] }: Offer): MuxWindows {
  return { stream, total, streams };
}
