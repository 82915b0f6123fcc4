import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { whenDelivered } from "../net/delivered.ts";
import { relayScope, type RelayScopeOptions } from "../net/relay_scope.ts";

/** Bytes that are read and written at once: fewer calls, and less processor time for a byte. */
const CHUNK = 256 * 1024;

/**
 * Carries bytes between a program's standard input and output and a peer until both ways have ended
 * and the last ones are delivered. @throws {TtunError} lost; the signal's reason
 */
export async function runPipe(
  stdio: Stream,
  peer: Connection,
  { clock, signal, onTraffic }: Pick<RelayScopeOptions, "clock" | "signal" | "onTraffic">,
): Promise<void> {
  const limits = { idleMs: Infinity, halfClosedMs: Infinity };
  await relayScope({ clock, signal, limits, chunk: CHUNK, onTraffic }, ({ tasks, relays }) => {
    tasks.spawn(async () => {
      await relays.run(stdio, peer);
      await untilDelivered(peer, clock);
    });
  });
}

/** Without a limit, as the other end may rest: systems end a connection that nobody owns any more. */
async function untilDelivered(peer: Connection, clock: Clock): Promise<void> {
  do {
    await new Promise<void>((resolve) => whenDelivered(peer, clock, resolve));
  } while (peer.stats().isDelivered === false);
  if (peer.stats().wasReset !== true) return;
  throw new TtunError(
    "lost",
    `Lost the connection with ${peer.peer} at its end: the last bytes may be missing there`,
  );
}
