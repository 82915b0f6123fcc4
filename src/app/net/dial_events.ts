import type { Addr } from "../../base/addr.ts";
import type { Dialer, DialEvents, DialOptions, Stream } from "../../contract/stream.ts";

/** What `start` will tell its events, as a promise. */
export function promised(start: (events: DialEvents) => unknown): Promise<Stream> {
  return new Promise((resolve, reject) => void start({ connected: resolve, failed: reject }));
}

/** Tells events what becomes of a promise. */
export function tell(events: DialEvents, dialled: Promise<Stream>): void {
  dialled.then(
    (stream) => void events.connected(stream),
    (error) => void events.failed(error),
  );
}

/** Dials by callbacks, in whatever way the dialer has. Returns as `OnReady`. */
export function startDial(
  dialer: Dialer,
  to: Addr,
  o: DialOptions,
  events: DialEvents,
): boolean | void {
  if (dialer.start !== undefined) return dialer.start(to, o, events);
  tell(events, dialer.dial(to, o));
}
