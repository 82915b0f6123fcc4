import { copyBytes } from "../../../base/small_alloc.ts";
import { startClose } from "../../../base/start_close.ts";
import type { Stream } from "../../../contract/stream.ts";
import type { MeshTransport } from "../../../core/mesh/transport_choice.ts";
import { read, write } from "../../loop/stream_io.ts";
import type { PeerChannel } from "../links/peer_channel.ts";

/** Bytes of one read. */
const CHUNK = 16 * 1024;

const NO_BINDING = new Uint8Array();

export interface StreamChannelOptions {
  readonly transport: MeshTransport;
  readonly peer: string;
  /** Absent = there is nothing to bind a proof to. */
  readonly binding?: Uint8Array;
  /** Called once, when the channel is disposed of. */
  readonly over?: () => void;
  /** Called in place of the stream's own `writeNow`; absent = nothing is sent sooner than by that. */
  readonly writeNow?: (stream: Stream, bytes: Uint8Array) => number;
}

/** A stream of any transport as a channel. Owns it. */
export class StreamChannel implements PeerChannel {
  readonly peer: string;
  readonly transport: MeshTransport;
  readonly binding: Uint8Array;
  readonly #stream: Stream;
  readonly #over: () => void;
  #into: Uint8Array | null = null;
  #isOver = false;

  constructor(stream: Stream, o: StreamChannelOptions) {
    this.peer = o.peer;
    this.transport = o.transport;
    this.binding = o.binding ?? NO_BINDING;
    this.#stream = stream;
    this.#over = o.over ?? (() => {});
  }

  async read(): Promise<Uint8Array | null> {
    const into = this.#into ??= new Uint8Array(CHUNK);
    const got = await read(this.#stream, into);
    return got === null ? null : copyBytes(into.subarray(0, got));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await write(this.#stream, bytes);
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    startClose(this.#stream);
    this.#over();
  }
}
