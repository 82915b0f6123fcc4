import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { throwAway } from "../throw_away.ts";

/** How long what a client still sends is read after the last answer. */
const LINGER_MS = 2000;

/**
 * After our FIN: reads and drops what the other end still sends, until its own, or for a little
 * while. Bytes that nobody reads would make the kernel send a reset, which could overtake our last
 * answer (RFC 9112 section 9.6). The stream stays the caller's to close.
 */
export async function linger(stream: Stream, clock: Clock): Promise<void> {
  using _timer = clock.after(LINGER_MS, () => stream.reset());
  await throwAway(stream, clock).catch(() => {}); // it is over either way
}
