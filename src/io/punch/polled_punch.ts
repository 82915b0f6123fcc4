import { TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { NativeSockets } from "../../../ffi/sockets/native_sockets.ts";
import { openDarwinSocketCalls, openLinuxSocketCalls } from "../../../ffi/sockets/posix_sockets.ts";
import { listenAlone } from "../../../ffi/sockets/shared_port.ts";
import { openWinsock } from "../../../ffi/sockets/winsock.ts";
import { netError } from "../net/net_errors.ts";
import { PollLoop } from "./poll_loop.ts";
import { listenPolled, PolledDialer } from "./polled_net.ts";
import type { PunchSockets } from "./punch_net.ts";

/** Systems without the reactor. On Linux it runs in tests alone, by which the others are known. */
export interface PolledPunch extends PunchSockets, AsyncDisposable {}

/** @throws {TtunError} system */
export function openPolledPunch(system: typeof Deno.build.os, clock: Clock): PolledPunch {
  return polledPunch(openSocketCalls(system), clock);
}

function openSocketCalls(system: typeof Deno.build.os): NativeSockets {
  if (system === "darwin") return openDarwinSocketCalls();
  if (system === "windows") return openWinsock();
  if (system === "linux") return openLinuxSocketCalls();
  const words = `Cannot punch holes here: ttun does not know the sockets of ${system} so far`;
  throw new TtunError("system", words);
}

/** Owns `sockets`. @throws {TtunError} */
export function polledPunch(sockets: NativeSockets, clock: Clock): PolledPunch {
  const loop = openLoop(sockets);
  return {
    at: ({ host, port }) => ({
      dialer: new PolledDialer(loop, clock, port),
      listen: ({ signal }) => listenPolled(loop, { host, port }, signal),
    }),
    requireFree(port) {
      const at = { host: "0.0.0.0", port };
      try {
        sockets.close(listenAlone(sockets, at));
      } catch (thrown) {
        throw netError(thrown, "listen", at);
      }
    },
    [Symbol.asyncDispose]: () => loop[Symbol.asyncDispose](),
  };
}

function openLoop(sockets: NativeSockets): PollLoop {
  try {
    return new PollLoop(sockets);
  } catch (thrown) {
    sockets[Symbol.dispose]();
    throw netError(thrown, "listen", { host: "127.0.0.1", port: 0 });
  }
}
