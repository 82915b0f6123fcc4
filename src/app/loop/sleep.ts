import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";

/** Throws the signal's reason if it aborts first. */
export async function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _timer = clock.after(ms, resolve);
  using _registration = onAbort(signal, reject);
  await promise;
}
