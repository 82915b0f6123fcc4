import { startClose } from "../../base/start_close.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { FrameOpener, FrameSealer } from "../../core/tt/frame.ts";
import { PATH_TIMEOUT_MS } from "../net/path_watch.ts";
import type { Borrowed } from "./minute_keys.ts";

/**
 * Sent data may wait for so long until the path is given up; a connection that is idle, or only
 * receives, asks for a sign of life after 20 s and is given up after as much again.
 */
export const CARRIER_TUNING: SocketOptions = {
  noDelay: true,
  keepAliveSeconds: 20,
  userTimeoutMs: PATH_TIMEOUT_MS,
};

/** How long one is kept. A server keeps it longer, so that it seldom ends under a new connection. */
const KEPT_MS = 10_000;

const ONE = new Uint8Array(1);

/** How many are kept: a browser's connections end together, and soon come again. */
const MOST = 64;

/** A connection to the server that has nobody's bytes on it. Disposed of when its stream is closed. */
export interface Carrier extends Disposable {
  readonly stream: Connection;
  /** Whose keys its frames are under. */
  readonly minute: Borrowed;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
}

interface Idle {
  readonly carrier: Carrier;
  readonly since: number;
}

/** Carriers whose connection is over, for the next ones of the same minute. */
export class IdlePool implements Disposable {
  readonly #clock: Clock;
  /** The one that has been idle longest first. */
  #idle: Idle[] = [];
  #timer: Disposable | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Its owner from now on. One whose other end ends, or says something, is closed at once. */
  put(carrier: Carrier): void {
    if (!isQuiet(carrier.stream)) return close(carrier);
    const idle: Idle = { carrier, since: this.#clock.now() };
    this.#idle.push(idle);
    carrier.stream.onReadable(() => this.#drop(idle));
    if (this.#idle.length > MOST) this.dropOldest();
    this.#timer ??= this.#clock.after(KEPT_MS, this.#look);
  }

  /** Not when it has been taken: then it is nothing to us any more. */
  #drop(idle: Idle): void {
    const at = this.#idle.indexOf(idle);
    if (at >= 0) close(this.#idle.splice(at, 1)[0]!.carrier);
  }

  /** Makes room when descriptors run out; false when there is none. */
  dropOldest(): boolean {
    const oldest = this.#idle.shift();
    if (oldest !== undefined) close(oldest.carrier);
    return oldest !== undefined;
  }

  /** The one that was used last, the caller's from now on; null = none is left of that minute. */
  take(minute: number): Carrier | null {
    for (;;) {
      const last = this.#idle.pop();
      if (last === undefined) return null;
      const { carrier } = last;
      if (carrier.minute.keys.minute === minute && isQuiet(carrier.stream)) return carrier;
      close(carrier);
    }
  }

  /** Closes all. */
  clear(): void {
    for (const { carrier } of this.#idle) close(carrier);
    this.#idle = [];
  }

  readonly #look = (): void => {
    this.#timer = null;
    const oldest = this.#clock.now() - KEPT_MS;
    const left = this.#idle.findIndex(({ since }) => since > oldest);
    const old = this.#idle.splice(0, left < 0 ? this.#idle.length : left);
    for (const { carrier } of old) close(carrier);
    const [first] = this.#idle;
    if (first !== undefined) this.#timer = this.#clock.after(first.since - oldest, this.#look);
  };

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    this.clear();
  }
}

/** Whether the other end has said nothing: not even that it has gone. */
function isQuiet(stream: Connection): boolean {
  try {
    return stream.readNow(ONE) === undefined;
  } catch {
    return false;
  }
}

function close(carrier: Carrier): void {
  startClose(carrier.stream);
  carrier[Symbol.dispose]();
}
