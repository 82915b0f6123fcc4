import type { Addr } from "../../base/addr.ts";
import type { Dialer, DialEvents, DialOptions, Stream } from "../../contract/stream.ts";

/** Converts the events of `start` to a promise. */
export function promised(start: (events: DialEvents) => unknown): Promise<Stream> {
  return new Promise((resolve, reject) => void start({ connected: resolve, failed: reject }));
}

/** Reports the result of a promise to the events. */
export function tell(events: DialEvents, dialled: Promise<Stream>): void {
  dialled.then(
    (stream) => void events.connected(stream),
    (error) => void events.failed(error),
  );
}

/** Dials with callbacks, whichever form the dialer has. Returns true as OnReady does. */
export function startDial(
  dialer: Dialer,
  to: Addr,
  o: DialOptions,
  events: DialEvents,
): boolean | void {
  if (dialer.start !== undefined) return dialer.start(to, o, events);
  tell(events, dialer.dial(to, o));
}
