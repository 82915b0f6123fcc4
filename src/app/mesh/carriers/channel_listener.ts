import type { Logger } from "../../../base/log.ts";
import type { Connection } from "../../../contract/connection.ts";
import type { Listener } from "../../../contract/dial.ts";
import type { Clock } from "../../../contract/host.ts";
import type { WireSecrets } from "../../link/config.ts";
import type { SessionMemory } from "../../mux/session_memory.ts";
import { acceptLoop } from "../../net/accept_loop.ts";
import { PairedChannel } from "./paired_channel.ts";
import type { PeerChannel } from "../links/peer_channel.ts";
import { quicChannel } from "./quic_channel.ts";
import type { MuxStream } from "../../../core/mux/mux_stream.ts";
import { MESH_SERVICE, type V2Carrier } from "./v2_carrier.ts";
import { V2Acceptor } from "./v2_acceptor.ts";

export interface ChannelListenerOptions {
  /** Null = nodes are not linked by it. */
  readonly tcp: Listener | null;
  readonly quic: Listener | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly memory: SessionMemory;
  /** With all of the cluster's secrets that are accepted. */
  readonly secrets: () => WireSecrets;
  readonly signal: AbortSignal;
  /** Takes a channel, whose other end is still to prove that it is a node. */
  readonly take: (channel: PeerChannel) => void;
  /** Other services of this node, for nodes alone; absent = there are none. */
  readonly services?: NodeServices | undefined;
}

export interface NodeServices {
  has(service: string): boolean;
  /** Answers the stream, which it owns. */
  serve(stream: MuxStream, service: string): void;
}

/** Streams of other services that a node may have open on one connection. */
const MOST_SERVED = 16_384;

/** Takes channels that other nodes make. Runs until the signal aborts. @throws its reason */
export async function listenForChannels(o: ChannelListenerOptions): Promise<never> {
  const { clock, log, memory, secrets, signal, take, services } = o;
  const channels = new WeakMap<V2Carrier, PairedChannel>();
  const acceptor = new V2Acceptor({
    ...{ clock, log, memory, secrets, signal },
    ...(services !== undefined && {
      hasService: (service: string) => service === MESH_SERVICE || services.has(service),
      answersItself: (service: string) => service !== MESH_SERVICE,
      mostStreams: MOST_SERVED,
    }),
    onStream: (stream, carrier, service) => {
      if (service !== MESH_SERVICE) return services!.serve(stream, service);
      const known = channels.get(carrier);
      if (known !== undefined) return known.addBulk(stream);
      const { peer, binding, writeNow } = carrier;
      const over = () => carrier[Symbol.dispose]();
      const o = { transport: "tcp", peer, binding, over, writeNow } as const;
      const channel = new PairedChannel(stream, o, () => carrier.open());
      channels.set(carrier, channel);
      take(channel);
    },
  });
  const loop = (listener: Listener, take: (stream: Connection) => void) =>
    acceptLoop({ listener, clock, log, signal, take, evictIdle: () => acceptor.evictIdle() });
  return await Promise.race([
    ...(o.tcp === null ? [] : [
      loop(o.tcp, (stream) => void acceptor.accept(stream)), // never rejects
    ]),
    ...(o.quic === null ? [] : [
      loop(o.quic, (stream) => take(quicChannel(stream))),
    ]),
  ]);
}
