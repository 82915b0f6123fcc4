import type { Addr } from "../../base/addr.ts";
import type { Clock } from "../../contract/host.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { SegmentSizes } from "../../core/net/segment_sizes.ts";
import { dial, tell } from "./dial_events.ts";

/** Servers that are remembered; beyond that the memory is cleared. */
const MOST_SERVERS = 256;

/**
 * Dials with the segment size that passes on the path. A path is the server's and the local
 * address, so nothing is assumed about another uplink.
 */
export class SizedDialer implements Dialer {
  readonly #dialer: Dialer;
  readonly #clock: Pick<Clock, "now">;
  readonly #sizes = new SegmentSizes();
  /** Server address → the local address last used for it. */
  readonly #near = new Map<string, string>();

  constructor(dialer: Dialer, clock: Pick<Clock, "now">) {
    this.#dialer = dialer;
    this.#clock = clock;
  }

  get limitsSegments(): boolean {
    return this.#dialer.limitsSegments === true;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    tell(events, this.#dial(to, o));
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    const far = hostOf(to);
    const expected = this.#size(this.#near.get(far), far);
    const stream = await dial(this.#dialer, to, { ...o, segmentBytes: expected });
    const near = hostOf(stream.local);
    const size = this.#size(near, far);
    if (this.#near.size >= MOST_SERVERS) this.#near.clear();
    this.#near.set(far, near);
    if (size === expected) return stream;
    // The local address has changed; a segment size can only be set before a connection begins.
    await stream[Symbol.asyncDispose]();
    return await dial(this.#dialer, to, { ...o, segmentBytes: size });
  }

  #size(near: string | undefined, far: string): number | undefined {
    return near === undefined ? undefined : this.#sizes.get(`${near} ${far}`, this.#clock.now());
  }

  /** Limits segments of later connections on this stream's path. */
  limit({ local, remote }: Ends, segmentBytes: number | undefined, keepMs?: number): void {
    const [near, far] = [hostOf(local), hostOf(remote)];
    this.#near.set(far, near);
    this.#sizes.set(`${near} ${far}`, segmentBytes, this.#clock.now(), keepMs);
  }

  /** Segment limit of the path in bytes; undefined = none. */
  limitOf({ local, remote }: Ends): number | undefined {
    return this.#size(hostOf(local), hostOf(remote));
  }
}

type Ends = Pick<Connection, "local" | "remote">;

function hostOf(addr: Addr): string {
  return "path" in addr ? addr.path : addr.host;
}
