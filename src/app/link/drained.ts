import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { sleep } from "../loop/sleep.ts";
import type { RecordChannel } from "./record_channel.ts";

/** Milliseconds for what waits; a client that goes on by another connection reads for little more. */
const LONGEST_MS = 250;
const LOOK_MS = 10;

/**
 * Waits, where the peer has ended this connection alone, until what waits for it is written: packets
 * would be lost otherwise when a session goes on by another connection.
 */
export async function drained(
  channel: RecordChannel<never>,
  o: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  if (channel.closeCode !== CloseCode.carrier) return;
  const until = o.clock.now() + LONGEST_MS;
  while (channel.writer.mutex.isBusy && o.clock.now() < until) {
    await sleep(o.clock, LOOK_MS, o.signal);
  }
}
