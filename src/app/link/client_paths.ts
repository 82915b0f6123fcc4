import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { SegmentSizes } from "../../core/net/segment_sizes.ts";
import type { Candidate } from "./candidate.ts";
import type { PeerLink } from "./config.ts";
import { untilAborted, watchSegments } from "../net/watch_segments.ts";

/** Segment sizes that pass on the paths to clients. */
export class ClientPaths {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Sizes by the client's process and address. */
  readonly #sizes = new SegmentSizes();

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Also watches for full segments that get lost on the way to the client. The connection, where
   * nothing passes any more, is reset, and the client is told the size on its next one. If it
   * cannot be told (version 1) or has not complied, the listener limits all later connections.
   * `listener`: the one that the connection came from; null = one that limits nothing.
   */
  watch(
    stream: Connection,
    { instance }: Pick<Candidate, "instance">,
    link: Pick<PeerLink, "watch" | "tellSegmentSize">,
    listener: Listener | null,
  ): (signal: AbortSignal) => Promise<void> {
    const usual = link.watch ?? untilAborted;
    const { remote } = stream;
    const path = `${instance} ${"path" in remote ? remote.path : remote.host}`;
    const size = this.#sizes.get(path, this.#clock.now());
    const isTold = size !== undefined && (stream.stats().segmentBytes ?? 0) > size;
    if (isTold) link.tellSegmentSize?.(size);
    const canTell = instance !== undefined && link.tellSegmentSize !== undefined && !isTold;
    return async (signal) => {
      const watching = watchSegments(stream, { clock: this.#clock, signal });
      const smaller = await Promise.race([watching, usual(signal)]);
      if (smaller === undefined) return;
      const words = `full segments do not pass on the way to ${stream.peer}, and no router ` +
        "says so";
      if (!canTell && listener?.limitSegments?.(smaller) !== true) {
        this.#log.warn(`${words}; sysctl net.ipv4.tcp_mtu_probing=1 may help`);
        return await usual(signal);
      }
      if (canTell) this.#sizes.set(path, smaller, this.#clock.now());
      stream.reset();
      const who = canTell ? "the client is told to take" : "all connections have from now on";
      throw new TtunError("lost", `${words}: ${who} ${smaller} bytes each`);
    };
  }
}
