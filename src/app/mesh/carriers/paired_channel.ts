import { onAbort } from "../../../base/scope.ts";
import type { Stream } from "../../../contract/stream.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import { MAX_BULK_FRAME, MAX_FRAME } from "../../../core/mesh/wire/frame_reader.ts";
import { contentOf, FrameSplitter } from "../../../core/mesh/wire/frame_splitter.ts";
import type { PeerChannel } from "../links/peer_channel.ts";
import { StreamChannel, type StreamChannelOptions } from "./stream_channel.ts";

/** Bytes that may wait for the stream for bulk; more keep the writer waiting. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Bytes that have come and wait for the reader, beyond which no more is read. */
const MOST_UNREAD = 2 * 1024 * 1024;

/**
 * A channel with two streams of one connection: frames that are too long for the first one go on
 * another, which is opened for the first of them, and hold no others up. Each write is one frame, and
 * each read gives whole frames.
 */
export class PairedChannel implements PeerChannel {
  readonly peer: string;
  readonly transport: MeshTransport;
  readonly binding: Uint8Array;
  readonly #control: StreamChannel;
  readonly #open: () => Promise<Stream>;
  readonly #end = new AbortController();
  readonly #bulk: StreamChannel[] = [];
  /** Own stream for bulk; null = none was needed yet. */
  #sending: Promise<StreamChannel> | null = null;
  #waiting = 0;
  /** The writes of bulk, one behind the other. */
  #writing: Promise<void> = Promise.resolve();
  readonly #frames: Uint8Array[] = [];
  #unread = 0;
  #result: { readonly error: unknown } | "ended" | null = null;
  #onFrame: (() => void) | null = null;
  #onRoom: (() => void)[] = [];

  /** Owns the stream. `open` opens another one at the same node. */
  constructor(control: Stream, o: StreamChannelOptions, open: () => Promise<Stream>) {
    this.#control = new StreamChannel(control, o);
    this.peer = o.peer;
    this.transport = o.transport;
    this.binding = this.#control.binding;
    this.#open = open;
    void this.#readAll(this.#control, MAX_FRAME); // it never rejects
  }

  /** Takes a stream for bulk that the other end has opened. */
  addBulk(stream: Stream): void {
    if (this.#end.signal.aborted) return stream.reset();
    void this.#readAll(this.#add(stream), MAX_BULK_FRAME); // it never rejects
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#unread -= frame.length;
        for (const run of this.#onRoom.splice(0)) run();
        return frame;
      }
      if (this.#result === "ended") return null;
      if (this.#result !== null) throw this.#result.error;
      await new Promise<void>((resolve) => this.#onFrame = resolve);
    }
  }

  /** `bytes`: a frame with its length. @throws {TtunError} lost */
  async write(bytes: Uint8Array): Promise<void> {
    if (contentOf(bytes).length <= MAX_FRAME) return await this.#control.write(bytes);
    this.#waiting += bytes.length;
    const written = this.#writing = this.#writing.then(() => this.#writeBulk(bytes));
    if (this.#waiting > MOST_WAITING) await written;
  }

  /** Never rejects: a failure ends the channel, and its reader hears of it. */
  async #writeBulk(bytes: Uint8Array): Promise<void> {
    try {
      const channel = await (this.#sending ??= this.#openBulk());
      await channel.write(bytes);
    } catch (error) {
      this.#finish({ error });
    }
    this.#waiting -= bytes.length;
  }

  async #openBulk(): Promise<StreamChannel> {
    const channel = this.#add(await this.#open());
    void this.#readAll(channel, MAX_BULK_FRAME); // the other end may use it as well
    return channel;
  }

  #add(stream: Stream): StreamChannel {
    const channel = new StreamChannel(stream, { transport: this.transport, peer: this.peer });
    this.#bulk.push(channel);
    return channel;
  }

  /** Never rejects. */
  async #readAll(channel: StreamChannel, most: number): Promise<void> {
    const splitter = new FrameSplitter(most);
    try {
      for (let bytes; (bytes = await channel.read()) !== null;) {
        for (const frame of splitter.feed(bytes)) {
          this.#frames.push(frame);
          this.#unread += frame.length;
        }
        this.#wake();
        while (this.#unread >= MOST_UNREAD && this.#result === null) await this.#room();
      }
      if (channel === this.#control) this.#finish("ended");
    } catch (error) {
      this.#finish({ error });
    }
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onRoom.push(resolve);
    using _end = onAbort(this.#end.signal, () => resolve());
    await promise;
  }

  #finish(result: { readonly error: unknown } | "ended"): void {
    this.#result ??= result;
    this.#wake();
    for (const run of this.#onRoom.splice(0)) run();
  }

  #wake(): void {
    const run = this.#onFrame;
    this.#onFrame = null;
    run?.();
  }

  [Symbol.dispose](): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#finish("ended");
    for (const channel of this.#bulk) channel[Symbol.dispose]();
    this.#control[Symbol.dispose]();
  }
}
