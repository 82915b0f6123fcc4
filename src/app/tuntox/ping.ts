import { TtunError } from "../../base/errors.ts";
import { formatRoundTrips } from "../../base/round_trips.ts";
import { abortable } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { sleep } from "../loop/sleep.ts";
import type { TunnelLink } from "./tunnel_link.ts";

const INTERVAL_MS = 1000;

/** Milliseconds in which an answer comes, or counts as none. */
const ANSWER_MS = 5000;

export interface PingTools {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/**
 * Sends so many pings to the friend at the other end, one a second, and prints how long the answers
 * took. @throws {TtunError} timeout, if nothing was answered; the reason of `signal`
 */
export async function ping(
  link: TunnelLink,
  count: number,
  { clock, signal, print }: PingTools,
): Promise<void> {
  const times: number[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const ms = await pingOnce(link, seq, { clock, signal });
    if (ms !== null) times.push(ms);
    print(ms === null ? `seq=${seq} no answer` : `seq=${seq} time=${ms.toFixed(2)} ms`);
    if (seq < count && ms !== null) await sleep(clock, Math.max(0, INTERVAL_MS - ms), signal);
  }
  if (times.length === 0) {
    const why = "the link stands, and no ping was answered: see whether ttun or tuntox runs there";
    throw new TtunError("timeout", `Cannot reach ${link.link.peer}: ${why}`);
  }
  print(formatRoundTrips(times));
}

/** Returns the milliseconds until the answer; null = there was none. */
async function pingOnce(
  link: TunnelLink,
  seq: number,
  { clock, signal }: Omit<PingTools, "print">,
): Promise<number | null> {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, seq);
  const began = clock.now();
  const { promise: answered, resolve } = Promise.withResolvers<number | null>();
  // An answer to an earlier ping may come late.
  link.onPong = (got) => {
    if (got.length === 4 && got.every((byte, i) => byte === payload[i])) {
      resolve(clock.now() - began);
    }
  };
  using _late = clock.after(ANSWER_MS, () => resolve(null));
  try {
    link.tunnels.ping(payload);
    return await abortable(answered, signal);
  } finally {
    link.onPong = null;
  }
}
