import { ProtocolError } from "../../base/errors.ts";
import { Offload, type PacketLayout, type Packets } from "../../contract/batch.ts";
import type { Link } from "../../contract/link.ts";
import type { Connection } from "../../contract/connection.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { TAG_SIZE } from "../../contract/cipher.ts";
import { HEADER } from "../../core/link/v1/frame.ts";
import type { Session } from "../../core/link/v1/handshake.ts";
import { ReceiveBuffer } from "./receive_buffer.ts";
import { UNSENT_LITTLE, UNSENT_USUAL } from "../net/socket_options.ts";
import { WriteMutex } from "../loop/write_mutex.ts";
import { write } from "../loop/stream_io.ts";

/** A length before each packet, a tag after it; `groupHeadroom`: the device's, before the first. */
export const V1_LAYOUT: PacketLayout = {
  groupHeadroom: 8,
  headroom: HEADER,
  tailroom: TAG_SIZE,
  groupTailroom: 0,
  group: Infinity,
};

/** A link of one packet to a frame. Owns the stream and the session. */
export class V1Link implements Link {
  readonly layout = V1_LAYOUT;
  readonly offload = Offload.none;
  readonly stream: Connection;
  readonly #session: Session;
  readonly #in = new ReceiveBuffer();
  readonly #writers = new WriteMutex();

  constructor(stream: Connection, session: Session) {
    this.stream = stream;
    this.#session = session;
    this.#in.add(session.rest);
  }

  get isWriting(): boolean {
    return this.#writers.isBusy;
  }

  send(batch: Packets): MaybePromise<void> {
    return this.#writers.pass(() => this.#sendFrom(batch, 0));
  }

  /** Seals adjacent frames and writes them at once. */
  #sendFrom(batch: Packets, first: number): MaybePromise<void> {
    let i = first;
    while (i < batch.count) {
      const from = batch.offset[i]! - HEADER;
      let to = from;
      while (i < batch.count && batch.offset[i]! - HEADER === to) {
        this.#session.sealer.seal(batch.bytes, batch.offset[i]!, batch.length[i]!);
        to = batch.offset[i]! + batch.length[i]! + TAG_SIZE;
        i++;
      }
      const written = write(this.stream, batch.bytes.subarray(from, to));
      if (written instanceof Promise) return this.#sendLater(written, batch, i);
    }
  }

  async #sendLater(written: Promise<void>, batch: Packets, next: number): Promise<void> {
    await written;
    await this.#sendFrom(batch, next);
  }

  limitUnsent(little: boolean): void {
    this.stream.setOptions({ unsentBytes: little ? UNSENT_LITTLE : UNSENT_USUAL });
  }

  onReceivable(run: OnReady): void {
    this.stream.onReadable(run);
  }

  recvNow(into: Packets): number | undefined {
    for (;;) {
      if (this.#open(into) > 0) return into.count;
      const got = this.stream.readNow(this.#in.space());
      if (got === undefined) return undefined;
      if (!this.#in.took(got)) return this.#ended(into);
    }
  }

  #open(into: Packets): number {
    const { bytes, start, end } = this.#in;
    this.#in.start = this.#session.opener.openAll(bytes, start, end, into);
    return into.count;
  }

  #ended(into: Packets): number {
    if (!this.#in.isEmpty) {
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
