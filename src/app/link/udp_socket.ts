import type { Logger } from "../../base/log.ts";
import {
  type DatagramPath,
  type Datagrams,
  noDatagrams,
  TOO_LONG,
} from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import { runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Room for all datagrams that a kernel joins. */
const BUFFER = 64 * 1024;

/** Cost after which others get a turn, and that of a datagram beside its bytes. */
const BUDGET = 512 * 1024;
const DATAGRAM_COST = 1024;

/** Bytes that wait for room; what comes then is dropped. */
const MOST_WAITING = 1 << 20;

/** Takes what comes to a socket. */
export interface DatagramSink {
  /** The datagram `bytes[at..end)`, lent for the call. */
  datagram(bytes: Uint8Array, at: number, end: number, path: DatagramPath): void;
  /** Datagrams that came at once have all been told. Returns as `OnReady` does. */
  flush(): boolean;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly segment: number;
  readonly path: DatagramPath;
}

/** Reads a socket of datagrams, and has those wait for which it has no room. */
export class UdpSocket {
  readonly #datagrams: Datagrams;
  readonly #clock: Clock;
  readonly #log: Pick<Logger, "warn">;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #room: PromiseWithResolvers<void> | null = null;
  #hasWarned = false;

  /** The socket is borrowed. */
  constructor(datagrams: Datagrams, { clock, log }: { clock: Clock; log: Pick<Logger, "warn"> }) {
    this.#datagrams = datagrams;
    this.#clock = clock;
    this.#log = log;
  }

  /** Reads until the socket is closed. @throws the reason of the close */
  run(sink: DatagramSink): Promise<never> {
    const buffer = new Uint8Array(BUFFER);
    const got = noDatagrams();
    const datagrams = this.#datagrams;
    let isHandled = true;
    const onReady = (run: () => boolean | void) => {
      const handled = isHandled;
      isHandled = true;
      datagrams.onReceivable(run);
      return handled;
    };
    return runLoop<never>({ clock: this.#clock, budget: BUDGET, onReady }, () => {
      if (!datagrams.receiveNow(buffer, got)) return WOULD_BLOCK;
      const { size, segment, path } = got;
      let cost = size;
      for (let at = 0; at < size; at += segment) {
        sink.datagram(buffer, at, Math.min(size, at + segment), path);
        cost += DATAGRAM_COST;
      }
      if (!sink.flush()) isHandled = false;
      return cost + DATAGRAM_COST;
    });
  }

  /**
   * Sends datagrams, borrowed for the call. The promise settles when there is room again. @throws the
   * reason of the close
   */
  send(bytes: Uint8Array, segment: number, path: DatagramPath): Promise<void> | void {
    if (this.#room !== null) return this.#wait(bytes, segment, path);
    const took = this.#sendNow(bytes, segment, path);
    if (took < bytes.length) return this.#wait(bytes.subarray(took), segment, path);
  }

  /** Returns the bytes that need no more care. */
  #sendNow(bytes: Uint8Array, segment: number, path: DatagramPath): number {
    const took = this.#datagrams.sendNow(bytes, segment, path);
    if (took !== TOO_LONG) return took;
    if (!this.#hasWarned) {
      this.#hasWarned = true;
      this.#log.warn(
        `datagrams of ${segment} bytes are too long for this machine's way to the other end, and ` +
          "are lost; a smaller --mtu at both ends makes them shorter",
      );
    }
    return bytes.length;
  }

  #wait(bytes: Uint8Array, segment: number, path: DatagramPath): Promise<void> {
    if (this.#waitingBytes + bytes.length <= MOST_WAITING) {
      this.#waiting.push({ bytes: bytes.slice(), segment, path });
      this.#waitingBytes += bytes.length;
    }
    if (this.#room === null) {
      this.#room = Promise.withResolvers();
      this.#datagrams.onSendable(this.#drain);
    }
    return this.#room.promise;
  }

  readonly #drain = (): boolean => {
    const room = this.#room!;
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        const took = this.#sendNow(next.bytes, next.segment, next.path);
        this.#waitingBytes -= took;
        if (took < next.bytes.length) {
          this.#waiting[0] = { ...next, bytes: next.bytes.subarray(took) };
          this.#datagrams.onSendable(this.#drain);
          return true;
        }
        this.#waiting.shift();
      }
      this.#room = null;
      room.resolve();
    } catch {
      room.resolve(); // the close shows in the reader
    }
    return false;
  };
}
