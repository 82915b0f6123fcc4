import type { Stream } from "../../contract/stream.ts";
import type { Cidr } from "../../base/addr.ts";
import { denoNetworks, interfaceNetworks } from "../../io/netcfg/own_addresses.ts";
import { openPolledPunch } from "../../io/punch/polled_punch.ts";
import type { PunchSockets } from "../../io/punch/punch_net.ts";
import { reactorPunch } from "../../io/punch/reactor_punch.ts";
import { DenoStdioStream } from "../../io/stdio/deno_stdio.ts";
import { StdioStream } from "../../io/stdio/stdio_stream.ts";
import type { WayTools } from "./way_tools.ts";

type Tools = Pick<WayTools, "platform" | "opened" | "signal">;

/** Sockets that share a port: the reactor's on Linux, polled ones elsewhere. @throws {TtunError} */
export function openPunch({ platform: { clock, reactor }, opened }: Tools): PunchSockets {
  if (reactor !== null) return reactorPunch(reactor);
  return opened.use(openPolledPunch(Deno.build.os, clock));
}

/** @throws {TtunError} system */
export function openStdio({ platform: { reactor }, opened, signal }: Tools): Stream {
  return opened.use(
    reactor !== null ? new StdioStream({ reactor, signal }) : new DenoStdioStream(signal),
  );
}

/** Returns the networks of this machine's interfaces. */
export function ownNetworks({ platform: { libc } }: Tools): Cidr[] {
  return libc !== null ? interfaceNetworks(libc) : denoNetworks();
}
