import { TtunError } from "../../base/errors.ts";
import type { CipherName } from "../../contract/cipher.ts";
import { Offload, type PacketLayout, type Packets } from "../../contract/batch.ts";
import type { DatagramPath } from "../../contract/datagrams.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import type { Link } from "../../contract/link.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { Joiner } from "../../core/ip/joining.ts";
import type { DatagramReceiver } from "../../core/link/udp/acceptor.ts";
import { type PacketSink, UdpCarrier } from "../../core/link/udp/carrier.ts";
import type { Head } from "../../core/link/udp/head.ts";
import { PacketWriter } from "../../core/link/udp/packet_writer.ts";
import type { UdpSession } from "../../core/link/udp/session.ts";
import { MOST_DATAGRAM } from "../../core/link/udp/sizes.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { refusal } from "../../core/link/v2/handshake.ts";
import { Capability, type Offer } from "../../core/link/v2/setup.ts";
import { sleep } from "../loop/sleep.ts";
import { DEAD_TIME } from "./keepalive.ts";
import type { UdpSocket } from "./udp_socket.ts";
import type { DeviceFacts } from "./v2_link.ts";

/** Milliseconds for which an older connection is read when a new one is there. */
const KEEP_OLD_MS = 10_000;

/** Connections at most: each costs memory and time, and a peer may make new ones all the time. */
const MOST_CARRIERS = 4;

/** Milliseconds between two looks at what has to be done. */
const LOOK_MS = 1000;

/** Time for an answer in milliseconds, or round trips if these take longer. */
const PROBE_TIME = 500;
const PROBE_ROUNDS = 3;

export interface UdpLinkOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly device: DeviceFacts;
  readonly socket: UdpSocket;
  /** A server's follows its client to other addresses. */
  readonly roams: boolean;
  /** Told to the peer when this end ends by itself (`CloseCode`). */
  readonly code: number;
  /** Connections with these ids are over; `isOver`: they were the last. */
  readonly onEnd?: (ids: readonly number[], isOver: boolean) => void;
}

/** Packets over datagrams: the newest connection of a session sends, and older ones are read on. */
export class UdpLink implements Link, PacketSink {
  readonly layout: PacketLayout;
  readonly offload: number;
  readonly #o: UdpLinkOptions;
  readonly #writer: PacketWriter;
  /** One of them is lent to the reader while the other is filled. */
  #filled: Joiner;
  #lent: Joiner;
  /** The oldest first. */
  readonly #carriers: UdpCarrier[] = [];
  #sending: UdpCarrier;
  #onReadable: OnReady | null = null;
  #isHandled = true;
  #end: { error: unknown } | "closed" | null = null;
  #isOver = false;
  #newestAt: number;
  /** Datagrams that came, by all connections. */
  heard = 0;
  /** Packets that were too long for a datagram, or wrong, and those for which there was no room. */
  dropped = 0;

  constructor(session: UdpSession, path: DatagramPath, o: UdpLinkOptions) {
    this.#o = o;
    const { device, clock } = o;
    this.offload = device.takes === Offload.none ? Offload.none : offered(session.peer);
    this.layout = {
      groupHeadroom: 0,
      headroom: device.headroom,
      tailroom: 0,
      groupTailroom: 0,
      group: Infinity,
    };
    this.#writer = new PacketWriter({ offload: this.offload, mostBytes: MOST_DATAGRAM });
    const joins = this.offload & device.takes;
    this.#filled = new Joiner(joins);
    this.#lent = new Joiner(joins);
    this.#newestAt = clock.now();
    this.#sending = this.#newCarrier(session, path);
  }

  get #newest(): UdpCarrier {
    return this.#carriers.at(-1)!;
  }

  get rttMs(): number {
    return this.#sending.rttMs;
  }

  /** Milliseconds since the newest connection was made. */
  get ageMs(): number {
    return this.#o.clock.now() - this.#newestAt;
  }

  get isUnanswered(): boolean {
    return this.#sending.isUnanswered(this.#o.clock.now());
  }

  /** Where the peer is. */
  get path(): DatagramPath {
    return this.#sending.path;
  }

  #newCarrier(session: UdpSession, path: DatagramPath): UdpCarrier {
    const { rng, roams, clock } = this.#o;
    const deadTimeMs = DEAD_TIME * 1000;
    const carrier = new UdpCarrier(session, clock.now(), {
      rng,
      path,
      sink: this,
      roams,
      deadTimeMs,
    });
    this.#carriers.push(carrier);
    return carrier;
  }

  /**
   * Goes on by another connection as well; returns what takes its datagrams. Owns the session. A
   * server sends by it when something has come by it.
   */
  add(session: UdpSession, path: DatagramPath): DatagramReceiver {
    this.#newestAt = this.#o.clock.now();
    if (this.#carriers.length >= MOST_CARRIERS) {
      this.#drop(this.#carriers[0] === this.#sending ? 1 : 0);
    }
    const carrier = this.#newCarrier(session, path);
    if (!this.#o.roams) this.#sending = carrier;
    return this.#receiverOf(carrier);
  }

  get cipher(): CipherName {
    return this.#sending.session.cipher;
  }

  /** Takes the datagrams of the first connection. */
  get first(): DatagramReceiver {
    return this.#receiverOf(this.#carriers[0]!);
  }

  /** Returns false if a datagram with that id is none of this link's, or not the peer's. */
  receive(
    id: number,
    ...rest: [Uint8Array, number, number, Head, DatagramPath, number]
  ): boolean {
    const carrier = this.#carriers.find(({ session }) => session.id === id);
    return carrier !== undefined && this.#receiverOf(carrier).receive(...rest);
  }

  #receiverOf(carrier: UdpCarrier): DatagramReceiver {
    return {
      receive: (...datagram) => {
        if (this.#isOver) return false;
        try {
          if (!carrier.receive(...datagram)) return false;
        } catch (error) {
          this.fail(error);
          return true;
        }
        this.heard++;
        // The peer has the keys of this one: it may be sent on.
        if (carrier === this.#newest && this.#sending !== carrier) this.#sending = carrier;
        if (carrier.closed !== null && carrier === this.#sending) this.#closedBy(carrier.closed);
        return true;
      },
    };
  }

  #closedBy({ code, words }: { code: number; words: string }): void {
    if (code === CloseCode.carrier) return;
    if (code !== CloseCode.bye) return this.fail(refusal(code, words));
    this.#end ??= "closed";
    this.#wakeReader();
  }

  /** Ends with that error. */
  fail(error: unknown): void {
    this.#end ??= { error };
    this.#wakeReader();
  }

  packet(bytes: Uint8Array, at: number, length: number, isOpen: boolean): void {
    if (this.#filled.isFull) this.#wakeReader();
    if (!this.#filled.add(bytes, at, length, isOpen && this.offload !== Offload.none)) {
      this.dropped++;
    }
  }

  /** Tells the reader of packets, and sends what has to be sent. Returns as `OnReady` does. */
  flush(): boolean {
    if (!this.#filled.isEmpty) this.#wakeReader();
    this.#sendOutgoing();
    const isHandled = this.#isHandled;
    this.#isHandled = true;
    return isHandled;
  }

  #wakeReader(): void {
    const run = this.#onReadable;
    this.#onReadable = null;
    if (run !== null && run() !== true) this.#isHandled = false;
  }

  #sendOutgoing(): void {
    for (const carrier of this.#carriers) {
      for (const { bytes, path } of carrier.takeOutgoing()) {
        const sending = this.#o.socket.send(bytes, bytes.length, path);
        void sending; // it never rejects, and nobody waits for these
      }
    }
  }

  send(batch: Packets): MaybePromise<void> {
    if (this.#isOver) throw this.#over();
    let room: Promise<void> | void = undefined;
    const carrier = this.#sending;
    this.dropped += this.#writer.write(batch, carrier, this.#o.clock.now(), (bytes, segment) => {
      room = this.#o.socket.send(bytes, segment, carrier.path) ?? room;
    });
    return room;
  }

  limitUnsent(): void {}

  recvNow(into: Packets): number | undefined {
    if (!this.#filled.isEmpty) {
      [this.#filled, this.#lent] = [this.#lent, this.#filled];
      return this.#lent.give(into);
    }
    if (this.#end === "closed") return 0;
    if (this.#end !== null) throw this.#end.error;
    if (this.#isOver) throw this.#over();
    return undefined;
  }

  onReceivable(run: OnReady): void {
    if (this.#end !== null || this.#isOver) this.#o.clock.onTurn(run);
    else this.#onReadable = run;
  }

  /** Keeps it alive. @throws {TtunError} lost when the peer is silent; the signal's reason */
  async watch(signal: AbortSignal): Promise<never> {
    const { clock } = this.#o;
    this.#sending.ping(clock.now());
    for (;;) {
      const now = clock.now();
      let next = now + LOOK_MS;
      for (const carrier of this.#carriers) next = Math.min(next, carrier.keepAlive(now));
      if (this.#carriers.length > 1 && this.ageMs >= KEEP_OLD_MS) this.#dropOld();
      this.#sendOutgoing();
      if (this.#carriers.every((carrier) => carrier.isDead(now))) throw silent();
      await sleep(clock, Math.max(next - now, 1), signal);
    }
  }

  #dropOld(): void {
    while (this.#carriers.length > 1 && this.#carriers[0] !== this.#sending) this.#drop(0);
  }

  #drop(at: number): void {
    const old = this.#carriers.splice(at, 1)[0]!;
    this.#o.onEnd?.([old.session.id], false);
    old[Symbol.dispose]();
  }

  ping(): void {
    this.#sending.ping(this.#o.clock.now());
    this.#sendOutgoing();
  }

  /** Resolves to true if something has come after a ping, in the time that an answer takes. */
  async answers(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#o;
    const asked = clock.now();
    this.ping();
    const roundTrips = Number.isNaN(this.rttMs) ? 0 : PROBE_ROUNDS * this.rttMs;
    await sleep(clock, Math.max(PROBE_TIME, roundTrips), signal);
    return this.#carriers.some(({ lastArrival }) => lastArrival >= asked);
  }

  #over(): TtunError {
    return new TtunError("lost", "The connection was closed at this end");
  }

  /** Tells the peer, and ends. */
  end(code: number, words: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#end === null) this.#sayFarewell(code, words);
    this.#o.onEnd?.(this.#carriers.map(({ session }) => session.id), true);
    for (const carrier of this.#carriers) carrier[Symbol.dispose]();
    this.#wakeReader();
  }

  #sayFarewell(code: number, words: string): void {
    try {
      this.#sending.close(code, words);
      this.#sendOutgoing();
    } catch {
      // The socket is closed: the peer finds out by itself.
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.end(this.#o.code, "");
    return Promise.resolve();
  }
}

function offered({ capabilities }: Offer): number {
  return ((capabilities & Capability.tcpOffload) !== 0 ? Offload.tcp : 0) |
    ((capabilities & Capability.udpOffload) !== 0 ? Offload.udp : 0);
}

function silent(): TtunError {
  return new TtunError(
    "lost",
    `Lost the connection: no sign of life from the peer for ${DEAD_TIME} s`,
  );
}
