import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { write } from "../loop/stream_io.ts";
import { discard } from "../net/discard.ts";

/** Milliseconds that the client has to read the words and to close. */
const FAREWELL_TIME = 300;

/**
 * Sends a client the record that refuses it, and FIN, and reads what it has sent behind its setup: a
 * close with unread bytes would reset the connection, and the words might be lost.
 */
export async function sayRefusal(
  stream: Connection,
  record: Uint8Array,
  clock: Clock,
): Promise<void> {
  await write(stream, record);
  await stream.closeWrite();
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = clock.after(FAREWELL_TIME, resolve);
  await Promise.race([discard(stream, clock).catch(() => {}), promise]); // a reset is an end too
}
