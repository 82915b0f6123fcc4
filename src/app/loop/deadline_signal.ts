import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";

/** A signal that aborts with `signal`, or after `ms` with the error of `late`, for one call. */
export function deadlineSignal(
  signal: AbortSignal,
  { clock, ms, late }: {
    readonly clock: Clock;
    readonly ms: number;
    readonly late: () => Error;
  },
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const aborted = onAbort(signal, (reason) => controller.abort(reason));
  const timer = clock.after(ms, () => controller.abort(late()));
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      aborted[Symbol.dispose]();
      timer[Symbol.dispose]();
    },
  };
}
