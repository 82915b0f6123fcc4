import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Listener, Stream } from "../../contract/stream.ts";
import { SegmentSizes } from "../../core/net/segment_sizes.ts";
import type { Candidate } from "./accept.ts";
import type { PeerLink } from "./config.ts";
import { untilAborted, watchSegments } from "../net/watch_segments.ts";

/** The server's paths to its clients: which segment sizes pass there. */
export class ClientPaths {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #listener: Listener;
  /** By the client's process and address. */
  readonly #sizes = new SegmentSizes();

  constructor({ clock, log, listener }: { clock: Clock; log: Logger; listener: Listener }) {
    this.#clock = clock;
    this.#log = log;
    this.#listener = listener;
  }

  /**
   * The link's own watch, and beside it one for full segments that get lost on the way to the client.
   * It cannot be told on this connection, where nothing passes any more: that is reset, and the
   * client hears on its next one which size to take. For one that cannot be told (version 1), or has
   * not heeded it, the listener gives all connections that come smaller segments from then on.
   */
  watch(
    stream: Stream,
    { instance }: Pick<Candidate, "instance">,
    link: Pick<PeerLink, "watch" | "tellSegmentSize">,
  ): (signal: AbortSignal) => Promise<void> {
    const usual = link.watch ?? untilAborted;
    const { remote } = stream;
    const path = `${instance} ${"path" in remote ? remote.path : remote.host}`;
    const size = this.#sizes.get(path, this.#clock.now());
    const isTold = size !== undefined && (stream.info().segmentBytes ?? 0) > size;
    if (isTold) link.tellSegmentSize?.(size);
    const canTell = instance !== undefined && link.tellSegmentSize !== undefined && !isTold;
    return async (signal) => {
      const watching = watchSegments(stream, { clock: this.#clock, signal });
      const smaller = await Promise.race([watching, usual(signal)]);
      if (smaller === undefined) return;
      const words =
        `full segments do not pass on the way to ${formatAddr(remote)}, and no router ` +
        "says so";
      if (!canTell && this.#listener.limitSegments?.(smaller) !== true) {
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
