import { TtunError } from "../../base/errors.ts";
import { DenoClock } from "../../io/reactor/deno_clock.ts";
import { denoAddresses } from "../../io/netcfg/own_addresses.ts";
import { DenoNet } from "../../io/net/deno_net.ts";
import type { NetConfig, SocketPlatform } from "./platform.ts";

/** @throws {TtunError} usage: Deno cannot set them before a socket connects */
export function refuseSegmentLimits({ segmentBytes: { dial, listen } }: NetConfig): void {
  if (dial === undefined && listen === undefined) return;
  throw new TtunError(
    "usage",
    "Cannot use --segment-size with Deno's own sockets: it takes native ones (Linux, --io ffi)",
  );
}

export function openDenoSockets(): SocketPlatform {
  const clock = new DenoClock();
  return {
    clock,
    descriptors: Infinity, // Deno raises the limit itself
    ownAddresses: () => denoAddresses(clock),
    reactor: null,
    libc: null,
    openNet: (config) => {
      refuseSegmentLimits(config);
      return new DenoNet(null);
    },
    planCongestion: (wanted) => {
      const isLeft = wanted === "auto" || wanted === "system";
      if (isLeft) return { choice: undefined, text: "system" };
      throw new TtunError("usage", `Cannot use --congestion ${wanted}: ${nativeOnly()}`);
    },
    userChange: () => {
      throw new TtunError("usage", `Cannot use --user: ${nativeOnly()}`);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function nativeOnly(): string {
  return Deno.build.os === "linux"
    ? "it takes native calls, which Deno was started without (--allow-ffi)"
    : "it is for Linux only";
}
