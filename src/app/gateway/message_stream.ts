import { concat, readU32, writeU32 } from "../../base/bytes.ts";
import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import { read, write } from "../loop/stream_io.ts";

/** Bytes of the length before each message. */
const HEADER = 4;

/** Messages on a stream, each behind its length. Owns the stream. */
export class MessageStream implements AsyncDisposable {
  readonly #stream: Stream;
  readonly #most: number;

  /** `most`: bytes of the longest message. */
  constructor(stream: Stream, most: number) {
    this.#stream = stream;
    this.#most = most;
  }

  /** Returns null at the end. @throws {ProtocolError} for one that is too long, or cut; the stream's */
  async read(): Promise<Uint8Array | null> {
    const header = await this.#take(HEADER, true);
    if (header === null) return null;
    const length = readU32(header, 0);
    if (length > this.#most) throw new ProtocolError("Cannot read a message: it is too long");
    return await this.#take(length, false);
  }

  /** @throws {TtunError} lost, at the end; and as `read` */
  async need(): Promise<Uint8Array> {
    const message = await this.read();
    if (message !== null) return message;
    throw new TtunError("lost", "The other end has closed the connection");
  }

  /** @throws the stream's errors */
  async write(message: Uint8Array): Promise<void> {
    const header = new Uint8Array(HEADER);
    writeU32(header, 0, message.length);
    await write(this.#stream, concat(header, message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stream[Symbol.asyncDispose]();
  }

  async #take(length: number, mayEnd: boolean): Promise<Uint8Array | null> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await read(this.#stream, bytes.subarray(at));
      if (count !== null) at += count;
      else if (at === 0 && mayEnd) return null;
      else throw new ProtocolError("Cannot read a message: the other end closed the connection");
    }
    return bytes;
  }
}
