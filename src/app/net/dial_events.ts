import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Stream } from "../../contract/stream.ts";

/** Converts the events of `start` to a promise. */
export function promised<S extends Stream>(
  start: (events: DialEvents<S>) => unknown,
): Promise<S> {
  return new Promise((resolve, reject) => void start({ connected: resolve, failed: reject }));
}

/** Reports the result of a promise to the events. */
export function tell<S extends Stream>(events: DialEvents<S>, dialled: Promise<S>): void {
  dialled.then(
    (stream) => void events.connected(stream),
    (error) => void events.failed(error),
  );
}

/** Dials with callbacks, whichever form the dialer has. Returns true as OnReady does. */
export function startDial<To, S extends Stream>(
  dialer: Dialer<To, S>,
  to: To,
  o: DialOptions,
  events: DialEvents<S>,
): boolean | void {
  if (dialer.start !== undefined) return dialer.start(to, o, events);
  tell(events, dialer.dial(to, o));
}
