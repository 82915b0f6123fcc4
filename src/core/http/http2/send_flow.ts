import { ConnectionError } from "./connection_error.ts";
import { DEFAULT_WINDOW, ErrorCode, MAX_WINDOW } from "./constants.ts";
import type { FlowStream } from "./stream.ts";

/** Windows of what is sent to the other end, which makes them larger as it takes data. */
export class SendFlow {
  #window = DEFAULT_WINDOW;
  #first = DEFAULT_WINDOW;

  /** The window that a new stream has. */
  get first(): number {
    return this.#first;
  }

  /** Bytes that may be sent on a stream now. */
  roomOf(stream: FlowStream): number {
    return Math.max(0, Math.min(stream.sendWindow, this.#window));
  }

  /** Takes note of data that are sent; `stream` is null for one that is not kept. */
  sent(stream: FlowStream | null, bytes: number): void {
    if (stream !== null) stream.sendWindow -= bytes;
    this.#window -= bytes;
  }

  /** Bytes that may be sent at once on a stream that is new. */
  get roomOfNew(): number {
    return Math.max(0, Math.min(this.#first, this.#window));
  }

  /** @throws {ConnectionError} above the largest window */
  grow(bytes: number): void {
    this.#window += bytes;
    checkWindow(this.#window);
  }

  /** @throws {ConnectionError} above the largest window */
  growStream(stream: FlowStream, bytes: number): void {
    stream.sendWindow += bytes;
    checkWindow(stream.sendWindow);
  }

  /** Makes the window of every stream another one. @throws {ConnectionError} */
  resize(first: number, streams: Iterable<FlowStream>): void {
    checkWindow(first);
    const change = first - this.#first;
    this.#first = first;
    for (const stream of streams) {
      stream.sendWindow += change;
      checkWindow(stream.sendWindow);
    }
  }
}

function checkWindow(window: number): void {
  if (window > MAX_WINDOW) {
    throw new ConnectionError(ErrorCode.flowControl, "a window is too large");
  }
}
