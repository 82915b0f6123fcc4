import type { Clock } from "../../src/contract/host.ts";
import type { Dialer, DialEvents, DialOptions } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import { dial, tell } from "../../src/app/net/dial_events.ts";
import type { Addr } from "../../src/base/addr.ts";

/** Options in every segment: time stamps. */
const OPTIONS = 12;

/** A kernel's facts of a connection without trouble. */
const HEALTHY = {
  timeouts: 0,
  retransmitted: 0,
  inFlightBytes: 0,
  sacked: 0,
  delivered: 2,
  segmentsIn: 3,
  sentMsAgo: 0,
  heardMsAgo: 0,
};

/** Gives a stream of memory the facts of TCP: with full segments that get lost from `lostFrom` on. */
export function tellsSegments(
  stream: Connection,
  clock: Clock,
  { segmentBytes, lostFrom, heardMsAgo = 0 }: {
    segmentBytes: number;
    lostFrom: () => number | null;
    /** When the other end's kernel was last heard. */
    heardMsAgo?: number;
  },
): void {
  const { stats } = stream;
  stream.stats = () => {
    const since = lostFrom();
    const facts = { ...stats.call(stream), acked: 1, segmentBytes, rttMs: 1 };
    if (since === null || clock.now() - since < 200) {
      return { ...facts, sending: { ...HEALTHY, heardMsAgo } };
    }
    // The oldest segment is sent again after 0.2, 0.6, 1.4 … s; the peer is heard all the time.
    const times = Math.floor(Math.log2((clock.now() - since) / 200 + 1));
    const sentMsAgo = clock.now() - since - 200 * (2 ** times - 1);
    const lost = { timeouts: times, retransmitted: times, inFlightBytes: 10 * segmentBytes };
    return { ...facts, sending: { ...HEALTHY, ...lost, sentMsAgo, heardMsAgo: -1 } };
  };
}

/**
 * A dialer on whose path segments of more than `widest` bytes get lost from `lostFrom` on. Notes
 * which size each dial asks for.
 */
export class NarrowDialer implements Dialer {
  readonly asked: (number | undefined)[] = [];
  readonly limitsSegments: boolean;
  widest = 1300;
  lostFrom: number | null = 0;
  heardMsAgo = 0;
  readonly #dialer: Dialer;
  readonly #clock: Clock;

  constructor(dialer: Dialer, clock: Clock, o: { limitsSegments?: boolean } = {}) {
    this.#dialer = dialer;
    this.#clock = clock;
    this.limitsSegments = o.limitsSegments ?? true;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(to, o));
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    this.asked.push(o.segmentBytes);
    const stream = await dial(this.#dialer, to, o);
    const segmentBytes = (o.segmentBytes ?? 1460) - OPTIONS;
    const began = this.#clock.now();
    const lostFrom = () =>
      this.lostFrom === null || segmentBytes <= this.widest ? null : Math.max(this.lostFrom, began);
    tellsSegments(stream, this.#clock, {
      segmentBytes,
      lostFrom,
      heardMsAgo: this.heardMsAgo,
    });
    return stream;
  }
}
