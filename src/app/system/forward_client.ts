import { scope } from "../../base/scope.ts";
import type { DatagramBinder } from "../../contract/datagrams.ts";
import type { StdioForward } from "../forward/stdio_forward.ts";
import { type ForwardCounters, type ForwardLimits, runForwards } from "./forwards.ts";
import type { ForwardTable } from "./forward_table.ts";
import { type LinkClientOptions, openLinkClient } from "./link_client.ts";
import type { RemoteForwards } from "./remote_forwards.ts";

export interface ForwardClientOptions extends LinkClientOptions {
  readonly forwards: ForwardTable;
  /** With it the program ends, without an error, when it has. */
  readonly stdio?: StdioForward | undefined;
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

/**
 * Runs forwards over a session with a server, until `stdio` has ended where it is given. Throws the
 * signal's reason, or the last failure.
 */
export async function runForwardClient(o: ForwardClientOptions): Promise<void> {
  const { forwards, remote } = o;
  using stack = new DisposableStack();
  const client = openLinkClient({ ...o, endsWithSession: o.stdio !== undefined }, stack);
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => client.run(signal));
    tasks.spawn(async (signal) => {
      await runForwards(forwards, {
        ...o,
        signal,
        outbound: client.outbound,
        datagrams: {
          bind: o.bind,
          isPossible: () => client.outbound.hasDatagrams,
          open: client.outbound.openDatagrams,
        },
        remote: { ...remote, listens: client.listens, onSettled: o.onUp },
      });
      await client.outbound.delivered(signal);
      tasks.cancel();
    });
  });
}
