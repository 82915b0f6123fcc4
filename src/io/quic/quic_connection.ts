import type { QuicEvent } from "./messages.ts";
import { QuicBeside } from "./quic_beside.ts";
import type { QuicHost } from "./quic_host.ts";
import { QuicPackets } from "./quic_packets.ts";
import { type QuicEnds, QuicStream } from "./quic_stream.ts";

/** Returns the connection whose first stream is `id` of the engine; `early` has come of it already. */
export function quicConnection(
  host: QuicHost,
  id: number,
  ends: QuicEnds & { readonly mostPacket: number },
  signal: AbortSignal,
  early: readonly QuicEvent[] = [],
): QuicStream {
  const beside = new QuicBeside(host, id, ends, signal);
  const packets = new QuicPackets(host, id, ends.mostPacket);
  return new QuicStream(host, id, ends, { signal, early, first: { beside, packets } });
}
