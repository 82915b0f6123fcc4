import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Connection } from "../../contract/connection.ts";
import type { DialEvents } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { runHandshake } from "./tls_handshake.ts";
import { TlsPipe } from "./tls_pipe.ts";
import { TlsStream } from "./tls_stream.ts";

export interface OpenTlsOptions {
  readonly clock: Clock;
  /** The stream, which lives under it already, goes on to do that. */
  readonly signal: AbortSignal;
  /** Gives the handshake up. */
  readonly cancel?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** Makes the error when that time is over. */
  readonly late: () => Error;
  /** Judges the peer. Throws if it is not the right one. */
  readonly judge: (session: TlsSession) => void;
  /** Returns what links on the connection are bound to; absent = nothing. */
  readonly bindingOf?: (session: TlsSession) => Uint8Array;
}

/** Runs the handshake of either end on a stream. Owns the stream, and the session that `begin` makes. */
export function openTls(
  stream: Connection,
  begin: () => TlsSession,
  { clock, signal, cancel, timeoutMs, late, judge, bindingOf }: OpenTlsOptions,
  events: DialEvents,
): void {
  let session: TlsSession;
  try {
    cancel?.throwIfAborted(); // since the connection is there
    session = begin();
  } catch (error) {
    startClose(stream);
    return void events.failed(error);
  }
  const pipe = new TlsPipe(stream, session);
  const waiting = new DisposableStack();
  const end = (failure: { readonly error: unknown } | null): boolean | void => {
    if (waiting.disposed) return true;
    waiting.dispose();
    if (failure === null) {
      const binding = bindingOf?.(session);
      return events.connected(new TlsStream(pipe, { signal, clock, binding }));
    }
    session[Symbol.dispose]();
    startClose(stream);
    return events.failed(failure.error);
  };
  waiting.use(clock.after(timeoutMs, () => void end({ error: late() })));
  if (cancel !== undefined) waiting.use(onAbort(cancel, (error) => void end({ error })));
  runHandshake(pipe, judge, end);
}
