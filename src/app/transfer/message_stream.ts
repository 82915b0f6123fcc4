import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { MaybePromise, Stream } from "../../contract/stream.ts";
import {
  type Message,
  MessageBuffer,
  outOfTurn,
  packMessage,
} from "../../core/transfer/messages.ts";
import { shownName } from "../../core/transfer/names.ts";
import { read, write } from "../loop/stream_io.ts";

/** The other end has ended the transfer, with words. */
export class PeerRefused extends TtunError {
  constructor(words: string) {
    super("unreachable", `The other end does not go on: ${shownName(words)}`);
  }
}

const DISCARDED = 64 * 1024;

/** Messages of a transfer on a stream, which stays the caller's. */
export class MessageStream {
  readonly #stream: Stream;
  readonly #buffer = new MessageBuffer();
  readonly #discarded = new Uint8Array(DISCARDED);

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /**
   * Returns the next message, whose views are valid until the next call; null = the end.
   * @throws {PeerRefused}; {ProtocolError}; what the stream throws
   */
  async next(): Promise<Message | null> {
    for (;;) {
      const message = this.#buffer.next();
      if (message?.kind === "refuse") throw new PeerRefused(message.words);
      if (message !== null) return message;
      const got = await read(this.#stream, this.#buffer.room());
      if (got === null) {
        if (this.#buffer.isInside) {
          throw new ProtocolError("Cannot read a transfer: it is cut short");
        }
        return null;
      }
      this.#buffer.filled(got);
    }
  }

  /** Returns the next message, which must be there. @throws {ProtocolError} at the end */
  async expect(): Promise<Message> {
    const message = await this.next();
    if (message === null) throw outOfTurn(null);
    return message;
  }

  /** Looks for a refusal among what has come, without a wait. @throws {PeerRefused} */
  heedRefusal(): void {
    this.#hear();
  }

  /**
   * Watches the other end, which need not say anything now, until disposed of: `gone` gets why it has
   * left or does not go on. No other read may be under way meanwhile.
   */
  onGone(gone: (error: unknown) => void): Disposable {
    let isOver = false;
    const look = (): boolean => {
      if (isOver) return true;
      try {
        const last = this.#hear();
        if (last === null && !this.#buffer.isInside) throw outOfTurn(null);
        if (last === undefined) this.#stream.onReadable(look);
        return true;
      } catch (error) {
        gone(error);
        return false;
      }
    };
    look();
    return { [Symbol.dispose]: () => void (isOver = true) };
  }

  /**
   * Takes what has come, without a wait; returns null at the end, undefined when all is taken.
   * @throws {PeerRefused}; what the stream throws
   */
  #hear(): number | null | undefined {
    let got: number | null | undefined = 0;
    for (let room; (room = this.#buffer.room()).length > 0;) {
      got = this.#stream.readNow(room);
      if (got === undefined || got === null) break;
      this.#buffer.filled(got);
    }
    const words = this.#buffer.refusal();
    if (words !== null) throw new PeerRefused(words);
    return got;
  }

  /** Waits for the other end's end, which may be a lost connection: there is nothing more to say. */
  async ended(): Promise<void> {
    try {
      while (await this.discard());
    } catch (error) {
      if (!(error instanceof TtunError)) throw error; // it is gone, which is an end
    }
  }

  /** Throws away bytes that come, once some have. Returns false at the end. */
  async discard(): Promise<boolean> {
    return await read(this.#stream, this.#discarded) !== null;
  }

  send(message: Exclude<Message, { kind: "data" }>): MaybePromise<void> {
    return write(this.#stream, packMessage(message));
  }

  /** Sends bytes of whole messages. */
  sendPacked(bytes: Uint8Array): MaybePromise<void> {
    return write(this.#stream, bytes);
  }

  closeWrite(): MaybePromise<void> {
    return this.#stream.closeWrite();
  }
}
