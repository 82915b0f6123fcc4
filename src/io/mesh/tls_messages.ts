import { concat, readU32, writeU32 } from "../../base/bytes.ts";
import { ProtocolError } from "../../base/errors.ts";

/** Bytes of the length before each message. */
const HEADER = 4;

/** Messages on a connection of Deno's, each behind its length. Owns the connection. */
export class TlsMessages implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #most: number;
  #isClosed = false;

  /** `most`: bytes of the longest message. */
  constructor(conn: Deno.Conn, most: number) {
    this.#conn = conn;
    this.#most = most;
  }

  /** @throws {ProtocolError} for one that is too long, or cut; Deno's errors */
  async read(): Promise<Uint8Array> {
    const length = readU32(await this.#take(HEADER), 0);
    if (length > this.#most) throw new ProtocolError("Cannot read a message: it is too long");
    return await this.#take(length);
  }

  /** @throws Deno's errors */
  async write(message: Uint8Array): Promise<void> {
    const header = new Uint8Array(HEADER);
    writeU32(header, 0, message.length);
    const bytes = concat(header, message);
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #take(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = await this.#conn.read(bytes.subarray(at));
      if (count === null) {
        throw new ProtocolError("Cannot read on: the other end closed the connection");
      }
      at += count;
    }
    return bytes;
  }
}
