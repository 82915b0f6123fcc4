import type { Connection } from "../../../contract/connection.ts";
import type { PeerChannel } from "../links/peer_channel.ts";
import { PairedChannel } from "./paired_channel.ts";
import { StreamChannel } from "./stream_channel.ts";

/** Returns a channel on a connection of QUIC, with a stream beside the first one for long frames. */
export function quicChannel(connection: Connection): PeerChannel {
  const { beside, peer } = connection;
  const o = { transport: "quic", peer } as const;
  if (beside === undefined) return new StreamChannel(connection, o);
  const channel = new PairedChannel(connection, o, () => beside.open());
  beside.onOpened((stream) => channel.addBulk(stream));
  return channel;
}
