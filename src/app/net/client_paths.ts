import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import type { Stream } from "../../contract/stream.ts";
import { SegmentSizes } from "../../core/net/segment_sizes.ts";
import type { Candidate } from "../admission.ts";
import type { PeerLink } from "../wire.ts";
import { watchSegments } from "./watch_segments.ts";

/** The server's paths to its clients: which segment sizes pass there. */
export class ClientPaths {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** By the client's process and address. */
  readonly #sizes = new SegmentSizes();

  constructor({ clock, log }: { clock: Clock; log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The link's own watch, and beside it one for full segments that get lost on the way to a client
   * that can be told. It cannot be told on this connection, where nothing passes any more: that is
   * reset, and the client hears on its next one which size to take.
   */
  watch(
    stream: Stream,
    { instance }: Pick<Candidate, "instance">,
    link: Pick<PeerLink, "watch" | "tellSegmentSize">,
  ): (signal: AbortSignal) => Promise<void> {
    const usual = link.watch ?? (() => Promise.resolve());
    if (instance === undefined || link.tellSegmentSize === undefined) return usual;
    const { remote } = stream;
    const path = `${instance} ${"path" in remote ? remote.path : remote.host}`;
    const size = this.#sizes.get(path, this.#clock.now());
    if (size !== undefined && (stream.info().segmentBytes ?? 0) > size) {
      link.tellSegmentSize(size);
      return usual; // one that does not heed it would be reset again and again
    }
    return async (signal) => {
      const watching = watchSegments(stream, { clock: this.#clock, signal });
      const smaller = await Promise.race([watching, usual(signal)]);
      if (smaller === undefined) return;
      this.#sizes.set(path, smaller, this.#clock.now());
      this.#log.debug("will tell the client a segment size", { segment_bytes: smaller });
      stream.reset();
      throw new TtunError(
        "lost",
        `full segments do not pass on the way to ${formatAddr(remote)}, and no router says so: ` +
          `the client is told to take ${smaller} bytes each`,
      );
    };
  }
}
