import type { TlsSession } from "../../../ffi/openssl/tls_session.ts";
import { tlsError } from "./tls_errors.ts";
import type { TlsPipe } from "./tls_pipe.ts";

/** Milliseconds for a handshake, where there is no other limit. */
export const HANDSHAKE_MS = 10_000;

/** Bytes of a handshake that are read at once: few have more. */
const FLIGHT = 16 * 1024;

/**
 * Runs a handshake to its end, of which `over` is told once: with null, or with what failed.
 * `judge` judges the peer, and throws if it is not the right one.
 */
export function runHandshake(
  pipe: TlsPipe,
  judge: (session: TlsSession) => void,
  over: (failure: { readonly error: unknown } | null) => boolean | void,
): void {
  const { inner, session } = pipe;
  const step = (): boolean => {
    if (session.isDisposed) return true;
    try {
      for (;;) {
        const isDone = session.handshake();
        session.keep();
        if (!pipe.flush()) {
          inner.onWritable(step);
          return true;
        }
        if (isDone) break;
        if (pipe.pull(FLIGHT) > 0) continue;
        inner.onReadable(step);
        return true;
      }
      judge(session);
    } catch (thrown) {
      pipe.flushAlert();
      return over({ error: tlsError(thrown, inner.peer) }) === true;
    }
    return over(null) === true;
  };
  step();
}
