import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { DRAIN_SERVICE, HTTP_SERVICE } from "../../core/gateway/agent_messages.ts";
import { type RawKind, readRawService } from "../../core/gateway/raw_service.ts";
import type { WireSecrets } from "../link/config.ts";
import { V2Carrier } from "../mesh/carriers/v2_carrier.ts";
import type { SessionMemory } from "../mux/session_memory.ts";
import { VisitorConnection } from "./visitor_connection.ts";

/** Requests under way at a time. */
const MOST_EXCHANGES = 16_384;

/** A service that is published. */
export interface Tunnel {
  readonly name: string;
  /** Takes a stream with one request, which is its own from then on; absent = it speaks no HTTP. */
  readonly serve?: (stream: Stream) => void;
  /** Takes a visitor's connection, which is its own from then on; absent kinds are refused. */
  readonly raw?: { readonly [K in RawKind]?: (visitor: Connection) => void };
  /** Ends what goes on by it, once it is no longer published so; absent = that goes on to its end. */
  readonly end?: () => void;
}

export interface DialAgentOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  /** The link lives under it. */
  readonly signal: AbortSignal;
  /** Called when the gateway is about to stop. */
  readonly onDrain?: () => void;
}

/** Runs the handshake of link version 2 with a gateway. Owns the stream. @throws {TtunError} */
export async function dialAgent(
  stream: Connection,
  o: DialAgentOptions,
  tunnels: () => readonly Tunnel[] = () => [],
): Promise<V2Carrier> {
  const { onDrain = () => {} } = o;
  const find = (service: string) => {
    return service === DRAIN_SERVICE ? drainer(onDrain) : serverOf(service, tunnels());
  };
  return await V2Carrier.dial(stream, {
    ...o,
    hasService: (service) => find(service) !== null,
    mostStreams: MOST_EXCHANGES,
    onStream: (opened, _, service) => {
      const serve = find(service);
      if (serve === null) startClose(opened);
      else serve(opened);
    },
  });
}

function drainer(onDrain: () => void): (stream: Stream) => void {
  return (stream) => {
    startClose(stream);
    onDrain();
  };
}

/** Returns what takes the streams of a service that a gateway asks for; null = nothing does. */
function serverOf(
  service: string,
  tunnels: readonly Tunnel[],
): ((stream: Stream) => void) | null {
  const asked = readRawService(service);
  if (asked === null) {
    return tunnels.find(({ name }) => service === HTTP_SERVICE + name)?.serve ?? null;
  }
  const take = tunnels.find(({ name }) => name === asked.name)?.raw?.[asked.kind];
  if (take === undefined) return null;
  return (stream) => take(new VisitorConnection(stream, asked.visitor));
}
