import { ConnectionError } from "./connection_error.ts";
import { ErrorCode } from "./constants.ts";
import { packWindowUpdate } from "./frames.ts";
import { type FlowStream, STREAM_WINDOW } from "./stream.ts";

/** Bytes of data that the other end may send on all streams before some have gone on. */
export const CONNECTION_WINDOW = 2 * 1024 * 1024;

/** Windows of what the other end sends: bytes that have gone on let as many come, half a window at a time. */
export class ReceiveFlow {
  readonly #write: (bytes: Uint8Array) => void;
  #window = CONNECTION_WINDOW;
  #credit = 0;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Takes note of a frame of data. @throws {ConnectionError} */
  received(length: number): void {
    this.#window -= length;
    if (this.#window < 0) {
      throw new ConnectionError(
        ErrorCode.flowControl,
        "more data came than the window has room for",
      );
    }
  }

  /** Lets the other end send `bytes` more: on the connection, and on the stream if it has one. */
  credit(stream: FlowStream | null, bytes: number): void {
    this.#credit += bytes;
    if (this.#credit >= CONNECTION_WINDOW / 2) {
      this.#write(packWindowUpdate(0, this.#credit));
      this.#window += this.#credit;
      this.#credit = 0;
    }
    if (stream === null || stream.isInputDone) return;
    stream.credit += bytes;
    if (stream.credit < STREAM_WINDOW / 2) return;
    this.#write(packWindowUpdate(stream.id, stream.credit));
    stream.receiveWindow += stream.credit;
    stream.credit = 0;
  }
}
