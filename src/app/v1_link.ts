import { ProtocolError } from "../base/errors.ts";
import { MAX_PACKET } from "../base/packets.ts";
import { TAG_SIZE } from "../contract/cipher.ts";
import type { Link, Packets, Room } from "../contract/packet.ts";
import type { Now, Stream } from "../contract/stream.ts";
import { HEADER } from "../core/v1/frame.ts";
import type { Session } from "../core/v1/handshake.ts";
import { Turnstile } from "./turnstile.ts";

/** Received bytes are opened where they were read; a quarter megabyte takes many frames at once. */
const RECEIVE_BUFFER = 256 * 1024;

/** Below this much free room the unread rest moves to the front: a frame must always fit. */
const LEAST_ROOM = HEADER + MAX_PACKET;

/** Version 1's frame: a length before each packet, a tag behind it. */
export const V1_ROOM: Room = { lead: 0, headroom: HEADER, tailroom: TAG_SIZE, trail: 0 };

/** A stream after version 1's handshake as a link of packets, one to a frame. Owns both. */
export class V1Link implements Link {
  readonly room = V1_ROOM;
  readonly stream: Stream;
  readonly #session: Session;
  readonly #received = new Uint8Array(RECEIVE_BUFFER);
  #start = 0;
  #end = 0;
  readonly #writers = new Turnstile();

  constructor(stream: Stream, session: Session) {
    this.stream = stream;
    this.#session = session;
    this.#received.set(session.rest);
    this.#end = session.rest.length;
  }

  /** Whether a write is under way: what is sent now would wait. */
  get isWriting(): boolean {
    return this.#writers.isBusy;
  }

  send(batch: Packets): Now<void> {
    return this.#writers.pass(() => this.#sendFrom(batch, 0));
  }

  /** Seals packets for as long as their frames lie one behind the other, and writes them as one. */
  #sendFrom(batch: Packets, first: number): Now<void> {
    let i = first;
    while (i < batch.count) {
      const from = batch.offset[i]! - HEADER;
      let to = from;
      while (i < batch.count && batch.offset[i]! - HEADER === to) {
        this.#session.sealer.seal(batch.bytes, batch.offset[i]!, batch.length[i]!);
        to = batch.offset[i]! + batch.length[i]! + TAG_SIZE;
        i++;
      }
      const written = this.stream.write(batch.bytes.subarray(from, to));
      if (written instanceof Promise) return this.#sendLater(written, batch, i);
    }
  }

  async #sendLater(written: Promise<void>, batch: Packets, next: number): Promise<void> {
    await written;
    await this.#sendFrom(batch, next);
  }

  recv(into: Packets): Now<number> {
    for (;;) {
      if (this.#open(into) > 0) return into.count;
      const got = this.stream.read(this.#room());
      if (got instanceof Promise) return this.#recvLater(got, into);
      if (!this.#took(got)) return this.#ended(into);
    }
  }

  async #recvLater(reading: Promise<number | null>, into: Packets): Promise<number> {
    if (!this.#took(await reading)) return this.#ended(into);
    return await this.recv(into);
  }

  #open(into: Packets): number {
    this.#start = this.#session.opener.openAll(this.#received, this.#start, this.#end, into);
    return into.count;
  }

  /** Where to read to. Packets lent before are no longer valid: their bytes may be moved over. */
  #room(): Uint8Array {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    else if (this.#received.length - this.#end < LEAST_ROOM) {
      this.#received.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#received.subarray(this.#end);
  }

  #took(got: number | null): got is number {
    if (got !== null) this.#end += got;
    return got !== null;
  }

  #ended(into: Packets): number {
    if (this.#end > this.#start) {
      throw new ProtocolError("Lost the connection: it ended inside a frame");
    }
    into.count = 0;
    return 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session[Symbol.dispose]();
    await this.stream[Symbol.asyncDispose]();
  }
}
