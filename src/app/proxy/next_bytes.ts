import { copyBytes } from "../../base/few_bytes.ts";
import type { Stream } from "../../contract/stream.ts";

/** What a stream brings next, as far as there is `room`: a copy, the caller's. null = its end. */
export async function nextBytes(stream: Stream, room: Uint8Array): Promise<Uint8Array | null> {
  for (;;) {
    const got = stream.readNow(room);
    if (got === null) return null;
    if (got !== undefined) return copyBytes(room.subarray(0, got));
    await stream.readable(); // with nothing awaited since: an edge in between would be lost
  }
}
