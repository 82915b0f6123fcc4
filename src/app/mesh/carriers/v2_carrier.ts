import type { Addr } from "../../../base/addr.ts";
import { toTtunError, TtunError } from "../../../base/errors.ts";
import { startClose } from "../../../base/start_close.ts";
import type { Connection } from "../../../contract/connection.ts";
import type { Stream } from "../../../contract/stream.ts";
import { CloseCode } from "../../../core/link/v2/frames.ts";
import type { LinkSession } from "../../../core/link/v2/handshake.ts";
import { Capability, ID_SIZE } from "../../../core/link/v2/setup.ts";
import { type Open, OPENED, OpenKind, Refusal } from "../../../core/mux/frames.ts";
import type { MuxStream } from "../../../core/mux/mux_stream.ts";
import type { Clock } from "../../../contract/host.ts";
import type { WireSecrets } from "../../link/config.ts";
import { connectCarrier } from "../../link/connect_carrier.ts";
import type { ProvedClient } from "../../link/candidate.ts";
import { write } from "../../loop/stream_io.ts";
import { Carrier } from "../../mux/carrier.ts";
import { streamOffer } from "../../mux/limits.ts";
import { RecordBuffers } from "../../mux/record_buffers.ts";
import type { SessionMemory } from "../../mux/session_memory.ts";
import { StreamSession } from "../../mux/stream_session.ts";

/** Name of the service that a node's streams are for (docs/wire/link-v2.md, "Services"). */
export const MESH_SERVICE = "mesh";

/** Streams that the other end may have open at a time: one for control, one for bulk, and spares. */
const MOST_STREAMS = 4;

export interface V2CarrierOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  /** It lives under it. */
  readonly signal: AbortSignal;
  /** Gets the streams that the other end opens, which are its own from then on. */
  readonly onStream: (stream: MuxStream, carrier: V2Carrier, service: string) => void;
  /** Says which services it has; absent = that of links between nodes. */
  readonly hasService?: (service: string) => boolean;
  /** Streams of these services are answered by whoever gets them; absent = all are taken here. */
  readonly answersItself?: (service: string) => boolean;
  /** Streams that the other end may have open at a time; absent = a few. */
  readonly mostStreams?: number;
}

/** Milliseconds of silence after which a link that should bring something is asked for a sign of life. */
const ASK_MS = 300;

/** Milliseconds, beside some round trips, in which that comes. */
const SIGN_MS = 500;
const SIGN_ROUNDS = 3;

/**
 * A connection of link version 2 under the cluster's secret, which carries streams between two nodes.
 * It does not go on by another connection: the ring asks again for what is lost with it.
 */
export class V2Carrier implements Disposable {
  /** Both ends have it, and no third one. */
  readonly binding: Uint8Array;
  /** Resolves at its end. */
  readonly ended: Promise<void>;
  readonly peer: string;
  /** Where the other end's connection comes from, or leads to. */
  readonly remote: Addr;
  readonly #clock: Clock;
  readonly #session: StreamSession;
  readonly #carrier: Carrier;
  readonly #stop = new AbortController();
  #taken = 0;
  #wasLost = false;

  private constructor(
    role: "client" | "server",
    stream: Connection,
    session: LinkSession,
    o: V2CarrierOptions,
  ) {
    const { clock, memory, secrets: { rng, rekey } } = o;
    this.peer = stream.peer;
    this.remote = stream.remote;
    this.#clock = clock;
    this.binding = session.meshBinding;
    this.#session = new StreamSession({
      role,
      peer: session.peer,
      clock,
      memory,
      onOpened: (opened, open) => this.#opened(opened, open, o),
      address: stream.peer,
    });
    const buffers = new RecordBuffers();
    const options = { clock, rng, rekey, buffers };
    this.#carrier = new Carrier(this.#session.mux, 1, null, stream, session, options);
    this.ended = this.#run(AbortSignal.any([o.signal, this.#stop.signal]));
  }

  /** Runs the handshake on a connection that this node has made. Owns it. @throws {TtunError} */
  static async dial(stream: Connection, o: V2CarrierOptions): Promise<V2Carrier> {
    const { clock, secrets } = o;
    await using owned = new AsyncDisposableStack();
    owned.use(stream);
    const { rng } = secrets;
    const identity = { instance: rng(ID_SIZE), session: rng(ID_SIZE), carrier: 1 };
    const offer = streamOffer();
    const { session } = await connectCarrier(stream, { secrets, clock, offer, identity });
    owned.use(session);
    requireStreams(session);
    owned.move();
    return new V2Carrier("client", stream, session, o);
  }

  /** Answers a node that has proved the secret. Owns the connection. @throws {TtunError} */
  static async answer(
    stream: Connection,
    { handshake }: ProvedClient,
    o: V2CarrierOptions,
  ): Promise<V2Carrier> {
    await using owned = new AsyncDisposableStack();
    owned.use(stream);
    const { bytes, session } = handshake.accept({});
    owned.use(session);
    requireStreams(session);
    await write(stream, bytes);
    owned.move();
    return new V2Carrier("server", stream, session, o);
  }

  /** Does as the stream's own `writeNow`, and sends it at once where nothing else is on its way. */
  readonly writeNow = (stream: Stream, bytes: Uint8Array): number => {
    const { sender } = this.#carrier.ofSession;
    if (!sender.holdToFlush()) return stream.writeNow(bytes);
    try {
      return stream.writeNow(bytes);
    } finally {
      sender.flush();
    }
  };

  /** Milliseconds of the last round trip; NaN before one is known. */
  get rttMs(): number {
    return this.#carrier.channel.rttMs;
  }

  /** The other end should have answered by now. */
  get isSuspect(): boolean {
    return this.#carrier.isSuspect;
  }

  /** It was neither ended here nor by the other end, but broke. */
  get wasLost(): boolean {
    return this.#wasLost;
  }

  /**
   * Returns true if something else is worth a try, for an exchange that waits for its answer: asked
   * now and then, it finds out sooner than the link's own clock.
   */
  isSilent(): boolean {
    const { channel } = this.#carrier;
    const rtt = Number.isNaN(channel.rttMs) ? SIGN_MS : channel.rttMs;
    if (channel.unansweredMs >= SIGN_MS + SIGN_ROUNDS * rtt) return true;
    const isQuiet = this.#clock.now() - channel.lastArrival >= ASK_MS + rtt;
    if (isQuiet && channel.unansweredMs === 0) channel.ping();
    return false;
  }

  /** Streams that are open, of both ends. */
  get streams(): number {
    return this.#session.mux.streams;
  }

  /** Opens a stream, and resolves once the other end has taken it. @throws {TtunError} lost */
  open(service = MESH_SERVICE): Promise<MuxStream> {
    const { promise, resolve, reject } = Promise.withResolvers<MuxStream>();
    const stream = this.openNow(service, { opened: () => resolve(stream), refused: reject });
    return promise;
  }

  /**
   * Opens a stream that may be written to at once, before the other end has taken it. One of `events`
   * is called, unless this end resets it first; `code`: the other end's answer, null = there was none.
   * @throws {TtunError} lost
   */
  openNow(
    service: string,
    events: { opened(): void; refused(error: TtunError, code: number | null): void },
  ): MuxStream {
    const { mux } = this.#session;
    if (!mux.canOpen) throw new TtunError("lost", "The other end takes no more streams");
    const open: Open = { kind: OpenKind.service, address: null, service };
    return mux.open(open, this.peer, {
      opened: () => events.opened(),
      refused: (code, error) => events.refused(error, code),
    });
  }

  #opened(
    stream: MuxStream,
    { kind, service = "" }: Open,
    o: V2CarrierOptions,
  ): void {
    const { hasService = (name) => name === MESH_SERVICE, mostStreams = MOST_STREAMS } = o;
    if (kind !== OpenKind.service || !hasService(service) || this.#taken >= mostStreams) {
      return stream.answer(Refusal.notSupported, null);
    }
    this.#taken++;
    stream.onOver = () => this.#taken--;
    if (o.answersItself?.(service) !== true) stream.answer(OPENED, null);
    o.onStream(stream, this, service);
  }

  /** Never rejects: all streams hear of the reason. */
  async #run(signal: AbortSignal): Promise<void> {
    let error = new TtunError("lost", "The other node has ended the link");
    try {
      const { ofSession } = this.#carrier;
      await this.#session.carry(ofSession, () => this.#carrier.run(signal));
    } catch (thrown) {
      this.#wasLost = !signal.aborted;
      error = signal.aborted
        ? new TtunError("lost", "The link was ended here")
        : toTtunError(thrown);
    }
    this.#session.end(error);
    startClose(this.#carrier);
  }

  /** Tells the other end, and ends it. */
  [Symbol.dispose](): void {
    void this.#end(); // it never rejects
  }

  async #end(): Promise<void> {
    await this.#carrier.ofSession.end(CloseCode.bye);
    this.#stop.abort();
  }
}

function requireStreams({ peer }: LinkSession): void {
  if ((peer.capabilities & Capability.streams) !== 0) return;
  throw new TtunError("protocol", "Cannot link with the node: it is no node, but a server of ttun");
}
