import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock } from "../../contract/host.ts";
import { LEAST_SEGMENT_SIZE, smallerAfterQuiet } from "../../core/net/segment_watch.ts";
import { DEAD_TIME } from "../link/keepalive.ts";
import { SizedDialer } from "../net/sized_dialer.ts";
import { untilAborted, watchHandshake, watchSegments } from "../net/watch_segments.ts";

/** The server cannot make segments smaller than this many bytes (Linux's TCP_MIN_MSS). */
const LEAST_SEGMENT = 88;

/** Milliseconds for which a size is tried that only the server's silence suggests. */
const TRIAL_MS = 60_000;

/** A connection is given up for one with smaller segments. */
export class SmallerSegments extends TtunError {
  constructor(message: string) {
    super("lost", message);
  }
}

/** Makes segments smaller when full ones do not pass to a server. */
export class SegmentLimits {
  readonly dialer: SizedDialer;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor({ dialer, clock, log }: { dialer: Dialer; clock: Clock; log: Logger }) {
    this.dialer = new SizedDialer(dialer, clock);
    this.#clock = clock;
    this.#log = log;
  }

  /** @throws {SmallerSegments} when full segments get lost; the error of the handshake */
  async meet<T>(
    stream: Connection,
    signal: AbortSignal,
    handshake: () => Promise<T>,
  ): Promise<T> {
    const { local, remote } = stream;
    const meeting = new AbortController();
    using _registration = onAbort(signal, (reason) => meeting.abort(reason));
    const watch = { clock: this.#clock, signal: meeting.signal };
    const isStuck = async () => {
      const smaller = await watchHandshake(stream, watch);
      if (!this.dialer.limitsSegments) return await untilAborted(meeting.signal);
      throw this.limit(stream, smaller);
    };
    try {
      return await Promise.race([handshake(), isStuck()]);
    } catch (error) {
      // The answer may get lost: every other attempt uses the size that every path carries.
      if (error instanceof TtunError && error.kind === "timeout") {
        const isLeast = this.dialer.limitOf({ local, remote }) === LEAST_SEGMENT_SIZE;
        this.dialer.limit({ local, remote }, isLeast ? undefined : LEAST_SEGMENT_SIZE, TRIAL_MS);
      }
      throw error;
    } finally {
      meeting.abort();
    }
  }

  /** Resolves to a smaller size, in bytes, when full segments get lost and it can be set. */
  async watch(stream: Connection, signal: AbortSignal): Promise<number> {
    const size = await watchSegments(stream, { clock: this.#clock, signal });
    if (this.dialer.limitsSegments) return size;
    this.#log.warn(
      "full segments do not pass on the way to the server, and no router says so; native sockets " +
        "(--io ffi) can make them smaller, as can the kernel: sysctl net.ipv4.tcp_mtu_probing=1",
    );
    return await untilAborted(signal);
  }

  isSmaller(stream: Connection, segmentBytes: number): boolean {
    const { segmentBytes: now = 0 } = stream.stats();
    return this.dialer.limitsSegments && segmentBytes >= LEAST_SEGMENT && segmentBytes < now;
  }

  /** Limits segments, since a server older than frame 81 cannot tell that they get lost. */
  learnFromSilence(stream: Connection): void {
    const smaller = smallerAfterQuiet(stream.stats(), DEAD_TIME * 1000);
    if (smaller === null || !this.dialer.limitsSegments) return;
    this.dialer.limit(stream, smaller);
    this.#log.info("the server is silent, but its machine is not: trying smaller segments", {
      segment_bytes: smaller,
    });
  }

  limit(stream: Connection, segmentBytes: number): SmallerSegments {
    this.dialer.limit(stream, segmentBytes);
    stream.reset();
    return new SmallerSegments(
      `Full segments do not pass on the way to ${formatAddr(stream.remote)}, and no router says ` +
        `so: connecting again with ${segmentBytes} bytes each (as --segment-size would)`,
    );
  }
}
