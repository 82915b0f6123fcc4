import { TtunError } from "../base/errors.ts";
import { DenoClock } from "../io/deno_clock.ts";
import { DenoNet } from "../io/deno_net.ts";
import type { SocketMachine } from "./machine.ts";

/** Deno's own sockets and timers: where there is no reactor of ours, and without native calls. */
export function openDenoSockets(): SocketMachine {
  return {
    clock: new DenoClock(),
    reactor: null,
    libc: null,
    openNet: () => new DenoNet(null),
    userChange: () => {
      const why = Deno.build.os === "linux"
        ? "it takes native calls, which Deno was started without (--allow-ffi)"
        : "it is for Linux only";
      throw new TtunError("usage", `Cannot use --user: ${why}`);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
