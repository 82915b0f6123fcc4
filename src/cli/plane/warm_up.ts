import type { WarmUp } from "../../app/loop/warm_up.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import type { SocketPlatform } from "../platform/platform.ts";
import type { PlaneTools } from "./run_plane.ts";

/** Ends with its disposal. */
export interface RunningWarmUp extends AsyncDisposable {
  /** Real work may come from now on. */
  giveWay(): void;
}

/** Returns the reactor whose code a warm-up runs; null where that has no use, or is not wanted. */
export function reactorToWarm(
  isWanted: boolean,
  { reactor }: Pick<SocketPlatform, "reactor">,
): Reactor | null {
  return isWanted && reactor?.mode === "blocking" ? reactor : null;
}

/** Runs it beside everything else. A failure is for the log alone: all works without it. */
export function runWarmUp(
  warmUp: WarmUp,
  { signal, log }: Pick<PlaneTools<SocketPlatform, unknown>, "signal" | "log">,
): RunningWarmUp {
  if (navigator.hardwareConcurrency < 2) warmUp.giveWay(); // the main thread needs the only core
  const stop = new AbortController();
  const running = warmUp.run(AbortSignal.any([signal, stop.signal])).then(
    () => log.debug("warmed up"),
    (error) => {
      if (!stop.signal.aborted && !signal.aborted) log.debug(`No warm-up: ${error}`);
    },
  );
  return {
    giveWay: () => warmUp.giveWay(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}
