import { onAbort } from "../../base/scope.ts";
import type { Listener } from "../../contract/dial.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";

/** Promise forms of the contracts' callbacks: no promise where nothing has to wait. */

/** Reads at least one byte into the front of `into` (borrowed until settled); null = the peer's FIN. */
export function read(from: Stream, into: Uint8Array): MaybePromise<number | null> {
  const got = from.readNow(into);
  return got === undefined ? readLater(from, into) : got;
}

async function readLater(from: Stream, into: Uint8Array): Promise<number | null> {
  for (;;) {
    await readable(from);
    const got = from.readNow(into);
    if (got !== undefined) return got;
  }
}

/** Writes all bytes (borrowed until settled). */
export function write(to: Stream, bytes: Uint8Array): MaybePromise<void> {
  const done = to.writeNow(bytes);
  if (done < bytes.length) return writeLater(to, bytes.subarray(done));
}

async function writeLater(to: Stream, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; rest = rest.subarray(to.writeNow(rest))) {
    await writable(to);
  }
}

export function readable(stream: Stream): Promise<void> {
  return new Promise((resolve) => stream.onReadable(resolve));
}

export function writable(stream: Stream): Promise<void> {
  return new Promise((resolve) => stream.onWritable(resolve));
}

/** The connection lives under `signal`, whose abort also ends the wait. Throws as `acceptNow`. */
export function accept<S extends Stream>(
  listener: Listener<S>,
  o: { signal: AbortSignal },
): MaybePromise<S> {
  return listener.acceptNow(o) ?? acceptLater(listener, o);
}

async function acceptLater<S extends Stream>(
  listener: Listener<S>,
  o: { signal: AbortSignal },
): Promise<S> {
  const { signal } = o;
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _registration = onAbort(signal, () => resolve());
    listener.onAcceptable(resolve);
    await promise;
    const stream = listener.acceptNow(o);
    if (stream !== null) return stream;
  }
}
