import type { Addr, HostPort } from "../../base/addr.ts";
import { formatAddr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { StreamsBeside } from "../../contract/beside.ts";
import type { Connection } from "../../contract/connection.ts";
import type { PacketWay } from "../../contract/packet_way.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { Lifetime } from "../net/lifetime.ts";
import { closedHere } from "../net/net_errors.ts";
import type { QuicEvent } from "./messages.ts";
import type { QuicHost } from "./quic_host.ts";
import { SharedRing } from "./shared_ring.ts";

/** Bytes of the rings, in memory that is taken when it is used. */
const INCOMING = 512 * 1024;
const OUTGOING = 256 * 1024;

/** Memory of a stream's two rings, which others may have had before. */
export interface StreamRings {
  readonly incoming: SharedArrayBuffer;
  readonly outgoing: SharedArrayBuffer;
  /** Called when the stream uses them no longer in this thread. */
  release(): void;
}
/** Bytes on their way to the network at which small writes are gathered, and how many. */
const GATHERS_AT = 16 * 1024;
export interface QuicEnds {
  readonly local: HostPort;
  readonly remote: HostPort;
}

/** A part of a connection beside its first stream. */
interface ConnectionPart {
  /** Takes an event that is none of the stream's; returns as `OnReady`. */
  take(event: QuicEvent): boolean;
  /** Nothing comes or goes any more. */
  end(reason: TtunError): void;
}

export interface QuicStreamOptions {
  readonly signal: AbortSignal;
  readonly early?: readonly QuicEvent[];
  /** Absent = it is not the connection's first stream. */
  readonly first?: {
    readonly beside: StreamsBeside & ConnectionPart;
    readonly packets: PacketWay & ConnectionPart;
  };
  /** Absent = memory of its own. */
  readonly rings?: StreamRings;
}

/** One stream of QUIC, whose other half is in the Worker's engine. */
export class QuicStream implements Connection {
  readonly local: Addr;
  readonly remote: Addr;
  readonly congestion = "";
  readonly beside?: StreamsBeside;
  readonly packets?: PacketWay;
  readonly #host: QuicHost;
  readonly #id: number;
  readonly #parts: readonly ConnectionPart[];
  readonly #life: Lifetime;
  readonly #incoming: SharedRing;
  /** Bytes in that ring, and bytes that were read and are not told of. */
  #unread = 0;
  #untoldRead = 0;
  #hasPeerEnded = false;
  #isDeaf = false;
  #failure: TtunError | null = null;
  readonly #outgoing: SharedRing;
  /** Bytes in that ring, and those of them that the engine is not told of. */
  #unsent = 0;
  #untold = 0;
  #hasEnded = false;
  /** How the engine is told of the end. */
  #ending: "close" | "abort" = "close";
  #reader: OnReady | null = null;
  #writer: OnReady | null = null;
  readonly #rings: StreamRings | undefined;

  /** The stream `id` of the engine, whose events it takes from now on; `early` have come already. */
  constructor(
    host: QuicHost,
    id: number,
    { local, remote }: QuicEnds,
    { signal, early = [], first, rings }: QuicStreamOptions,
  ) {
    this.#incoming = new SharedRing(rings?.incoming ?? new SharedArrayBuffer(INCOMING));
    this.#outgoing = new SharedRing(rings?.outgoing ?? new SharedArrayBuffer(OUTGOING));
    this.#rings = rings;
    this.#host = host;
    this.#id = id;
    this.local = local;
    this.remote = remote;
    this.#parts = first === undefined ? [] : [first.beside, first.packets];
    if (first !== undefined) [this.beside, this.packets] = [first.beside, first.packets];
    host.adopt(id, (event) => this.#take(event));
    this.#life = new Lifetime(signal, () => {
      if (signal.aborted) this.#ending = "abort";
      this.#release();
    });
    if (signal.aborted) this.#life.end(signal.reason);
    else this.#begin(early);
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#life.check();
    const bytes = Math.min(this.#unread, into.length);
    if (bytes > 0) {
      this.#incoming.read(into.subarray(0, bytes));
      this.#tellRead(bytes);
      return bytes;
    }
    if (into.length === 0) return undefined;
    if (this.#hasPeerEnded) return null;
    if (this.#failure !== null) throw this.#failure;
    return undefined;
  }

  onReadable(run: OnReady): void {
    this.#life.check();
    this.#reader = run;
    const isReady = this.#unread > 0 || this.#hasPeerEnded || this.#failure !== null;
    if (isReady) this.#host.soon(() => this.#wakeReader());
  }

  writeNow(bytes: Uint8Array): number {
    this.#checkWriting();
    const part = bytes.subarray(0, this.#outgoing.size - this.#unsent);
    if (part.length === 0) return 0;
    this.#outgoing.write(part);
    this.#unsent += part.length;
    this.#untold += part.length;
    const isWaiting = this.#unsent - this.#untold >= GATHERS_AT;
    if (!isWaiting || this.#untold >= GATHERS_AT) this.#flush();
    return part.length;
  }

  onWritable(run: OnReady): void {
    this.#life.check();
    this.#writer = run;
    const isReady = this.#isDeaf || this.#failure !== null || this.#unsent < this.#outgoing.size;
    if (isReady) this.#host.soon(() => this.#wakeWriter());
  }

  closeWrite(): void {
    this.#life.check();
    if (this.#failure !== null && !this.#hasPeerEnded) throw this.#failure;
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#flush();
    this.#host.send({ kind: "end", id: this.#id });
  }

  reset(): void {
    this.#ending = "abort";
    this.#life.end(closedHere());
  }

  stats(): ConnectionStats {
    const isGone = this.#life.isOver || this.#failure !== null;
    return { protocol: "quic", isGone, peerClosed: isGone || this.#hasPeerEnded };
  }

  setOptions(): string[] {
    this.#life.check();
    return [];
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.end(closedHere());
  }

  #begin(early: readonly QuicEvent[]): void {
    for (const event of early) this.#take(event);
    const [incoming, outgoing] = [this.#incoming.memory, this.#outgoing.memory];
    if (this.#failure === null) {
      this.#host.send({ kind: "take", id: this.#id, incoming, outgoing });
    }
  }

  #checkWriting(): void {
    this.#life.check();
    if (this.#hasEnded) throw closedHere();
    if (this.#failure !== null) throw this.#failure;
    if (this.#isDeaf) throw this.#lost("it reads no more");
  }

  #flush(): void {
    if (this.#untold === 0) return;
    const bytes = this.#untold;
    this.#untold = 0;
    this.#host.send({ kind: "send", id: this.#id, bytes });
  }

  #tellRead(bytes: number): void {
    this.#unread -= bytes;
    this.#untoldRead += bytes;
    // The engine is told in large parts, unless that was all.
    const isSmall = this.#untoldRead < this.#incoming.size / 4;
    if (isSmall && this.#unread > 0 || this.#failure !== null) return;
    this.#host.send({ kind: "read", id: this.#id, bytes: this.#untoldRead });
    this.#untoldRead = 0;
  }

  #take(event: QuicEvent): boolean {
    switch (event.kind) {
      case "data":
        this.#unread += event.bytes;
        return this.#wakeReader();
      case "end":
        this.#hasPeerEnded = true;
        return this.#wakeReader();
      case "sent":
        this.#unsent -= event.bytes;
        if (this.#unsent - this.#untold < GATHERS_AT) this.#flush();
        return this.#unsent > this.#outgoing.size / 2 || this.#wakeWriter();
      case "deaf":
        this.#isDeaf = true;
        return this.#wakeWriter();
      case "lost":
        this.#failure = this.#lost(event.words);
        this.#endParts(this.#failure);
        return this.#wakeBoth();
      default:
        return this.#parts.reduce((isDone, part) => part.take(event) && isDone, true);
    }
  }

  #endParts(reason: TtunError): void {
    for (const part of this.#parts) part.end(reason);
  }

  #lost(words: string): TtunError {
    return new TtunError("lost", `Lost the connection with ${this.peer}: ${words}`);
  }

  #wakeReader(): boolean {
    const run = this.#reader;
    this.#reader = null;
    return run === null || run() === true;
  }

  #wakeWriter(): boolean {
    const run = this.#writer;
    this.#writer = null;
    return run === null || run() === true;
  }

  #wakeBoth(): boolean {
    const isRead = this.#wakeReader();
    return this.#wakeWriter() && isRead;
  }

  #release(): void {
    this.#host.forget(this.#id);
    this.#endParts(closedHere());
    if (this.#failure === null) {
      if (this.#ending === "close" && !this.#hasEnded && !this.#isDeaf) this.#flush();
      this.#host.send({ kind: this.#ending, id: this.#id });
    }
    this.#unread = 0;
    this.#rings?.release();
    this.#host.soon(() => this.#wakeBoth());
  }
}
