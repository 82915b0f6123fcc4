import type { HostPort } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { QuicEvent, QuicServerEnd } from "./messages.ts";
import { quicError } from "./quic_errors.ts";
import type { QuicHost, TakeEvent } from "./quic_host.ts";

/**
 * Has the engine listen; this thread waits until the port is bound. Returns the listener's number, whose
 * events `take` gets from then on. @throws {TtunError} in_use, usage, …
 */
export function bindQuic(
  host: QuicHost,
  end: QuicServerEnd,
  take: TakeEvent,
): { readonly id: number; readonly addr: HostPort } {
  host.check();
  let answer: QuicEvent | null = null;
  const id = host.add((event) => {
    if (answer !== null) return take(event);
    answer = event;
    return true;
  });
  host.send({ kind: "listen", id, end });
  host.await(() => answer !== null);
  const bound = answer as QuicEvent | null;
  if (bound?.kind === "listening") return { id, addr: bound.addr };
  host.forget(id);
  if (bound?.kind === "failed") throw quicError(bound, "listen", end.at);
  throw new TtunError("internal", "QUIC's thread has failed");
}
