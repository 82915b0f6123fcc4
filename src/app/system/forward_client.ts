import { scope } from "../../base/scope.ts";
import type { DatagramBinder } from "../../contract/datagrams.ts";
import type { MuxClient } from "../mux/mux_client.ts";
import type { StdioForward } from "../forward/stdio_forward.ts";
import { type ForwardCounters, type ForwardLimits, runForwards } from "./forwards.ts";
import type { ForwardTable } from "./forward_table.ts";
import { type LinkClientOptions, openLinkClient } from "./link_client.ts";
import type { RemoteForwards } from "./remote_forwards.ts";

/** Forwards of a client, whatever carries their streams. */
export interface ClientForwards {
  readonly forwards: ForwardTable;
  /** Forwards of which the server listens. */
  readonly remote: Omit<RemoteForwards, "listens" | "onSettled">;
  readonly limits: ForwardLimits;
  /** Opens UDP sockets for programs of SOCKS; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
  /** Milliseconds of silence after which a flow of datagrams ends. */
  readonly udpIdleMs: number;
  /** Called once; `counters` may be called at any time. */
  readonly onCounters?: (counters: () => ForwardCounters) => void;
  /** Called once, when there is a session and the server has answered for all remote forwards. */
  readonly onUp?: () => void;
}

export interface ForwardClientOptions extends LinkClientOptions, ClientForwards {
  /** With it the program ends, without an error, when it has. */
  readonly stdio?: StdioForward | undefined;
}

/** Streams to a server, and what is asked of it. */
type Client = Pick<MuxClient, "outbound" | "listens">;

/**
 * Runs forwards over a session with a server, until `stdio` has ended where it is given. Throws the
 * signal's reason, or the last failure.
 */
export async function runForwardClient(o: ForwardClientOptions): Promise<void> {
  using stack = new DisposableStack();
  const client = openLinkClient({ ...o, endsWithSession: o.stdio !== undefined }, stack);
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => client.run(signal));
    tasks.spawn(async (signal) => {
      await forwardBy(client, { ...o, signal });
      await client.outbound.delivered(signal);
      tasks.cancel();
    });
  });
}

/** Runs the forwards of a client by its session. Returns and throws as `runForwards`. */
export async function forwardBy(
  { outbound, listens }: Client,
  o: ClientForwards & Pick<ForwardClientOptions, "clock" | "log" | "signal" | "stdio">,
): Promise<void> {
  const { forwards, remote, bind } = o;
  await runForwards(forwards, {
    ...o,
    outbound,
    datagrams: {
      bind,
      isPossible: () => outbound.hasDatagrams,
      open: outbound.openDatagrams,
    },
    remote: { ...remote, listens, onSettled: o.onUp },
  });
}
