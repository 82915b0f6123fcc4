import { isIpAddress } from "../../base/addr.ts";
import { onAbort, scope } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { PeerLink } from "../link/config.ts";
import { connectLink } from "../link/connect.ts";
import { UdpConnection } from "../link/udp_connection.ts";
import type { AttemptWatch, ServerPaths } from "../link/server_paths.ts";
import type { DamagedConnections } from "../net/damaged_connections.ts";
import { provenFirst, type Try } from "../net/proven_first.ts";
import type { Differently, Reach } from "../net/reach.ts";
import type { Tuner } from "../net/socket_options.ts";
import type { SegmentLimits } from "./segment_limits.ts";
import type { TunClientOptions } from "./tun_client_options.ts";

/** Parts that all attempts of a client share. */
export interface AttemptOptions extends TunClientOptions {
  readonly reach: Reach;
  readonly serverPaths: ServerPaths;
  readonly segments: SegmentLimits;
  readonly damaged: DamagedConnections;
  readonly tuner: Tuner;
  /** The streams are those of forwards, and not there for the sake of the session alone. */
  readonly hasForwards: boolean;
}

/** A client's link whose handshake is complete, on its connection. */
export interface TunLink {
  readonly stream: Connection;
  readonly peer: PeerLink;
  /** A segment size from the server that is smaller than the present one. */
  readonly told: Promise<number>;
  /** A newer link is in its place: nothing more goes by it. */
  isReplaced: boolean;
  /** The server or its packets were silent, and this end hung up. */
  hungUp: boolean;
}

/**
 * Connects to the server, and runs the handshake. The link is the caller's, and so is the connection.
 * @throws {TtunError} the failure; {PathChanged}; {SmallerSegments}; the signal's reason
 */
export async function joinServer(
  o: AttemptOptions,
  signal: AbortSignal,
  how: Differently,
): Promise<TunLink> {
  let link = null as TunLink | null;
  try {
    await scope(signal, async (dialing) => {
      using watch = o.serverPaths.watch(dialing);
      link = await meetServer(o, watch, { signal: dialing.signal, how });
    });
  } catch (error) {
    if (link !== null) discard(o, link);
    throw error;
  }
  return link!;
}

/** Connects with whoever has the key; the address of the last session comes first. */
async function meetServer(
  o: AttemptOptions,
  watch: AttemptWatch,
  { signal, how }: { signal: AbortSignal; how: Differently },
): Promise<TunLink> {
  const { clock, server, serverPaths: { proven } } = o;
  const meetAt = (one: Attempted) => {
    const { host, signal, connected = () => {}, proved = () => true } = one;
    return o.reach({
      signal,
      life: o.signal, // a damaged connection outlives its session
      ...how,
      ...(host !== undefined && { host }),
      meet: (stream, first) => {
        connected(stream);
        return meet(o, stream, { signal, proved: () => first() && proved() });
      },
      discard: (late) => discard(o, late),
    });
  };
  if (proven === null || "dialer" in server || isIpAddress(server.host)) {
    return await meetAt({ signal, connected: (stream) => watch.connected(stream) });
  }
  const link = await provenFirst({
    clock,
    signal,
    proven: (one) => meetAt({ ...race(one), host: proven }),
    others: (one) => meetAt(race(one)),
  });
  watch.connected(link.stream);
  return link;
}

interface Attempted {
  readonly signal: AbortSignal;
  /** An address in place of the server's name. */
  readonly host?: string;
  /** Called before the handshake. */
  readonly connected?: (stream: Connection) => void;
  readonly proved?: () => boolean;
}

function race(one: Try): Attempted {
  return {
    signal: one.signal,
    connected: () => one.connected(),
    proved: () => one.proved(),
  };
}

async function meet(
  o: AttemptOptions,
  stream: Connection,
  { signal, proved }: { signal: AbortSignal; proved: () => boolean },
): Promise<TunLink> {
  const { router: { device }, segments, tuner } = o;
  await using owned = new AsyncDisposableStack();
  owned.use(stream);
  using _registration = onAbort(signal, () => startClose(stream));
  tuner.tune(stream);
  const { promise: told, resolve } = Promise.withResolvers<number>();
  const onSegmentSize = (bytes: number) => {
    if (segments.isSmaller(stream, bytes)) resolve(bytes);
  };
  const peer = await segments.meet(
    stream,
    signal,
    () => meetLink(stream, { ...o, device, proved, onSegmentSize }),
  );
  owned.move();
  return { stream, peer, told, isReplaced: false, hungUp: false };
}

/** A way of datagrams has a handshake of its own. */
function meetLink(
  stream: Connection,
  o: Parameters<typeof connectLink>[1] & Pick<AttemptOptions, "log">,
): Promise<PeerLink> {
  return stream instanceof UdpConnection && stream.client !== null
    ? stream.client.connect(stream, stream.client.datagrams, o)
    : connectLink(stream, o);
}

function discard({ streams }: AttemptOptions, { peer, stream }: TunLink): void {
  if (peer.v2 !== undefined) streams?.leave(peer.v2);
  startClose(peer.link);
  startClose(stream);
}
