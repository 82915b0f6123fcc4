import type { Stream } from "../contract/stream.ts";

/** Settles when `readNow` may have something to say again. Call it only after it had nothing. */
export function readable(stream: Stream): Promise<void> {
  return new Promise((resolve) => stream.onReadable(resolve));
}
