import type { Addr } from "../../base/addr.ts";
import type { Target } from "../../base/target.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { OpenOptions, Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";

export function promised<S extends Stream>(
  start: (events: DialEvents<S>) => unknown,
): Promise<S> {
  return new Promise((resolve, reject) => void start({ connected: resolve, failed: reject }));
}

/** Promise form of `Dialer.start`; throws a TtunError or a signal's reason. */
export function dial<To = Addr, S extends Stream = Connection>(
  dialer: Dialer<To, S>,
  to: To,
  o: DialOptions,
): Promise<S> {
  return promised((events) => dialer.start(to, o, events));
}

/** Promise form of `Outbound.open`; throws a ConnectError or the signal's reason. */
export function open<To = Target>(
  outbound: Outbound<To>,
  target: To,
  o: OpenOptions,
): Promise<Stream> {
  return promised((events) => outbound.open(target, o, events));
}

export function tell<S extends Stream>(events: DialEvents<S>, dialled: Promise<S>): void {
  dialled.then(
    (stream) => void events.connected(stream),
    (error) => void events.failed(error),
  );
}
