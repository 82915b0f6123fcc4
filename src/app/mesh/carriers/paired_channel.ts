import { copyBytes } from "../../../base/small_alloc.ts";
import type { Stream } from "../../../contract/stream.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import { MAX_BULK_FRAME, MAX_FRAME } from "../../../core/mesh/wire/frame_reader.ts";
import { contentOf, FrameSplitter } from "../../../core/mesh/wire/frame_splitter.ts";
import type { PeerChannel } from "../links/peer_channel.ts";
import { StreamChannel, type StreamChannelOptions } from "./stream_channel.ts";

/** Bytes of one read. */
const CHUNK = 16 * 1024;

/** Bytes that may wait for the stream for bulk; more keep the writer waiting. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Bytes that have come and wait for the reader, beyond which no more is read. */
const MOST_UNREAD = 2 * 1024 * 1024;

/** Such bytes before the reader has asked for a second frame: the first one may be a stranger's. */
const FIRST_UNREAD = MAX_FRAME;

/**
 * A channel with two streams of one connection: frames that are too long for the first one go on
 * another, which is opened for the first of them, and hold no others up. Each write is one frame, and
 * each read gives whole frames; the very first one comes on the first stream.
 */
export class PairedChannel implements PeerChannel {
  readonly peer: string;
  readonly transport: MeshTransport;
  readonly binding: Uint8Array;
  readonly #stream: Stream;
  readonly #control: StreamChannel;
  readonly #open: () => Promise<Stream>;
  readonly #writeTo: (stream: Stream, bytes: Uint8Array) => number;
  readonly #into = new Uint8Array(CHUNK);
  #isDisposed = false;
  readonly #bulk: StreamChannel[] = [];
  /** Own stream for bulk; null = none was needed yet. */
  #sending: Promise<StreamChannel> | null = null;
  #waiting = 0;
  /** The writes of bulk, one behind the other. */
  #writing: Promise<void> = Promise.resolve();
  readonly #frames: Uint8Array[] = [];
  #unread = 0;
  #reads = 0;
  #result: { readonly error: unknown } | "ended" | null = null;
  #onFrame: (() => void) | null = null;
  #onRoom: (() => void)[] = [];
  /** Gets frames as they come; null = they wait for `read`. */
  #take: ((frame: Uint8Array) => void) | null = null;
  readonly #over = Promise.withResolvers<void>();
  /** The end of a frame for the first stream that had no room at once. */
  #rest: Promise<void> | null = null;

  /** Owns the stream. `open` opens another one at the same node. */
  constructor(control: Stream, o: StreamChannelOptions, open: () => Promise<Stream>) {
    this.#stream = control;
    this.#control = new StreamChannel(control, o);
    this.#over.promise.catch(() => {}); // `follow` tells it, or nobody has asked
    this.peer = o.peer;
    this.transport = o.transport;
    this.binding = this.#control.binding;
    this.#open = open;
    this.#writeTo = o.writeNow ?? ((stream, bytes) => stream.writeNow(bytes));
    this.#readAll(control, MAX_FRAME);
  }

  /** Takes a stream for bulk that the other end has opened. */
  addBulk(stream: Stream): void {
    if (this.#isDisposed) return stream.reset();
    this.#add(stream);
    this.#readAll(stream, MAX_BULK_FRAME);
  }

  async read(): Promise<Uint8Array | null> {
    if (++this.#reads === 2) this.#makeRoom();
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#unread -= frame.length;
        this.#makeRoom();
        return frame;
      }
      if (this.#result === "ended") return null;
      if (this.#result !== null) throw this.#result.error;
      await new Promise<void>((resolve) => this.#onFrame = resolve);
    }
  }

  follow(take: (frame: Uint8Array) => void): Promise<void> {
    this.#take = take;
    try {
      for (let frame; (frame = this.#frames.shift()) !== undefined;) {
        this.#unread -= frame.length;
        take(frame);
      }
    } catch (error) {
      this.#finish({ error });
    }
    this.#makeRoom();
    return this.#over.promise;
  }

  /** `bytes`: a frame with its length. @throws {TtunError} lost */
  writeNow(bytes: Uint8Array): boolean {
    if (contentOf(bytes).length > MAX_FRAME || this.#rest !== null) return false;
    const done = this.#writeTo(this.#stream, bytes);
    if (done < bytes.length) this.#rest = this.#writeRest(bytes.subarray(done));
    return true;
  }

  /** Never rejects: a failure ends the channel, and its reader hears of it. */
  async #writeRest(bytes: Uint8Array): Promise<void> {
    try {
      await this.#control.write(bytes);
    } catch (error) {
      this.#finish({ error });
    }
    this.#rest = null;
  }

  /** `bytes`: a frame with its length. @throws {TtunError} lost */
  async write(bytes: Uint8Array): Promise<void> {
    if (contentOf(bytes).length <= MAX_FRAME) {
      await this.#rest;
      return await this.#control.write(bytes);
    }
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
    const stream = await this.#open();
    const channel = this.#add(stream);
    this.#readAll(stream, MAX_BULK_FRAME); // the other end may use it as well
    return channel;
  }

  #add(stream: Stream): StreamChannel {
    const channel = new StreamChannel(stream, { transport: this.transport, peer: this.peer });
    this.#bulk.push(channel);
    return channel;
  }

  /** Takes all that comes, until there is too much that nobody has read. */
  #readAll(stream: Stream, most: number): void {
    const splitter = new FrameSplitter(most);
    const read = (): void => {
      try {
        while (this.#result === null) {
          if (!this.#mayRead(stream)) return void this.#onRoom.push(read);
          const got = stream.readNow(this.#into);
          if (got === undefined) return stream.onReadable(read);
          if (got === null) {
            if (stream === this.#stream) this.#finish("ended");
            return;
          }
          const bytes = copyBytes(this.#into.subarray(0, got));
          for (const frame of splitter.feed(bytes)) this.#got(frame);
        }
      } catch (error) {
        this.#finish({ error });
      }
    };
    read();
  }

  #mayRead(stream: Stream): boolean {
    const hasBegun = this.#reads > 1 || this.#take !== null;
    if (hasBegun) return this.#unread < MOST_UNREAD;
    return stream === this.#stream && this.#unread < FIRST_UNREAD;
  }

  #makeRoom(): void {
    for (const run of this.#onRoom.splice(0)) run();
  }

  #got(frame: Uint8Array): void {
    if (this.#take !== null) return this.#take(frame);
    this.#frames.push(frame);
    this.#unread += frame.length;
    this.#wake();
  }

  #finish(result: { readonly error: unknown } | "ended"): void {
    this.#result ??= result;
    if (this.#result === "ended") this.#over.resolve();
    else this.#over.reject(this.#result.error);
    this.#wake();
    this.#makeRoom();
  }

  #wake(): void {
    const run = this.#onFrame;
    this.#onFrame = null;
    run?.();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#finish("ended");
    for (const channel of this.#bulk) channel[Symbol.dispose]();
    this.#control[Symbol.dispose]();
  }
}
