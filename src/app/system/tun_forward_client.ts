import { scope } from "../../base/scope.ts";
import { ClientStreams } from "../mux/client_streams.ts";
import { type ClientForwards, forwardBy } from "./forward_client.ts";
import { runTunClient } from "./tun_client.ts";
import type { TunClientOptions } from "./tun_client_options.ts";

export interface TunForwardClientOptions extends Omit<TunClientOptions, "streams">, ClientForwards {
  /** Milliseconds that streams without a connection are kept. */
  keepMs: number;
}

/**
 * Runs a client with a device and forwards: the device's connection carries their streams too.
 * Throws as `runTunClient`, or a listener's error.
 */
export async function runTunForwardClient(o: TunForwardClientOptions): Promise<void> {
  using streams = new ClientStreams(o);
  await scope(o.signal, (tasks) => {
    tasks.spawn((signal) => runTunClient({ ...o, signal, streams }));
    tasks.spawn((signal) => forwardBy(streams, { ...o, signal }));
  });
}
