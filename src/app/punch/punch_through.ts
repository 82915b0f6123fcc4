import { TtunError } from "../../base/errors.ts";
import type { Connection } from "../../contract/connection.ts";
import { sleep } from "../loop/sleep.ts";
import { punch, type PunchTools } from "./punch.ts";

/** Milliseconds in which such a connection breaks; later the peer has ended it for a reason. */
const AT_ONCE_MS = 5000;

/** Milliseconds from there to the next attempt. */
const PAUSE_MS = 300;

/**
 * Connects to a peer that does the same until `secure`, which owns the connection, succeeds on one.
 * One that breaks under it is not the peer's last word: the peer had given that attempt up when the
 * answer came, or another program that shares its port has taken and closed the connection.
 * @throws {TtunError} unreachable, at the deadline; what `secure` throws
 */
export async function punchThrough<T>(
  o: PunchTools,
  secure: (stream: Connection) => Promise<T>,
): Promise<T> {
  const { clock, deadlineMs, log, signal } = o;
  const end = clock.now() + deadlineMs;
  for (let left = deadlineMs;; left = end - clock.now()) {
    const stream = await punch({ ...o, deadlineMs: left });
    const since = clock.now();
    try {
      return await secure(stream);
    } catch (error) {
      const isBroken = error instanceof TtunError && error.kind === "lost" && !signal.aborted;
      const isLate = clock.now() - since > AT_ONCE_MS || clock.now() + PAUSE_MS >= end;
      if (!isBroken || isLate) throw error;
      log.warn("the connection broke at once: trying again", { why: error.message });
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}
