import { ProtocolError, type TtunError } from "../../base/errors.ts";
import type { CipherName } from "../../contract/cipher.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { Capability, type Offer } from "../../core/link/v2/setup.ts";
import type { Open } from "../../core/mux/frames.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import { listStreams } from "../../core/status/stream_list.ts";
import type { CarrierStatus, SessionStatus, TrafficStatus } from "../../core/status/report.ts";
import { ACK_MS, Mux } from "../../core/mux/mux.ts";
import type { MuxStream } from "../../core/mux/mux_stream.ts";
import type { SessionCarrier } from "./session_carrier.ts";
import type { SessionMemory } from "./session_memory.ts";
import { FIRST_WINDOWS, MOST_STREAM, MOST_TOTAL, peerWindows } from "./limits.ts";

const NO_TRAFFIC: TrafficStatus = { sentBytes: 0, receivedBytes: 0 };

export interface StreamSessionOptions {
  readonly role: "client" | "server";
  /** The peer's offer at the session's beginning. */
  readonly peer: Offer;
  readonly clock: Clock;
  readonly memory: SessionMemory;
  /** The peer has opened a stream, which is to be answered. */
  readonly onOpened: (stream: MuxStream, open: Open) => void;
  /** The server's port closes in so many seconds. */
  readonly onMove?: (seconds: number) => void;
  /** Name of the client's key; absent = it has none. */
  readonly name?: string | undefined;
  /** The address that the first carrier comes from or leads to. */
  readonly address: string;
  /** Has the session until its end. */
  readonly sessions?: SessionList | undefined;
}

/** Facts about a device's packets that go beside streams. */
export interface PacketFacts {
  /** Bytes so far; one object for carriers that are counted together. */
  readonly traffic: TrafficStatus;
  /** Facts about the client. */
  readonly known?: Pick<SessionStatus, "name" | "addresses">;
}

/** A session's streams with the carriers that they have at the moment. */
export class StreamSession {
  readonly mux: Mux;
  /** The other end takes streams of datagrams. */
  readonly hasDatagrams: boolean;
  readonly #clock: Clock;
  readonly #carriers: SessionCarrier[] = [];
  #ackTimer: Disposable | null = null;
  readonly #listed: Disposable | undefined;
  readonly #began: number;
  readonly #name: string;
  #address: string;
  /** Time of the last arrival on carriers that have ended. */
  #heard: number;
  /** Of the last carrier that has ended. */
  #cipher: CipherName | undefined;
  /** Of the newest carrier with packets; null = there was none. */
  #packets: PacketFacts | null = null;
  /** Bytes of packets on those before. */
  readonly #packetsBefore = { sentBytes: 0, receivedBytes: 0 };

  constructor(o: StreamSessionOptions) {
    const { role, peer, clock, memory, onOpened, onMove = () => {} } = o;
    this.#clock = clock;
    this.#began = clock.now();
    this.#heard = this.#began;
    this.#address = o.address;
    this.#name = o.name ?? "";
    this.#listed = o.sessions?.add((mostStreams) => this.#describe(mostStreams));
    this.hasDatagrams = (peer.capabilities & Capability.datagrams) !== 0;
    this.mux = new Mux({
      role,
      local: FIRST_WINDOWS,
      peer: peerWindows(peer),
      mostStream: MOST_STREAM,
      mostTotal: MOST_TOTAL,
      budget: memory.windows,
      kept: memory.kept,
      pool: memory.pool,
      now: () => clock.now(),
      rtt: () => this.#carriers.at(-1)?.leastRttMs ?? NaN,
      events: {
        opened: onOpened,
        move: onMove,
        wake: (isLater) => isLater ? this.#acknowledgeLater() : this.#wake(),
      },
    });
  }

  /** The carriers that live, the oldest first. */
  get carriers(): readonly SessionCarrier[] {
    return this.#carriers;
  }

  /**
   * Goes on by a carrier while `run` runs it to its end; `packets` go on it as well. Throws as `run`.
   */
  async carry(
    carrier: SessionCarrier,
    run: () => Promise<void>,
    packets?: PacketFacts,
  ): Promise<void> {
    if (packets !== undefined) this.#countFrom(packets);
    this.#carriers.push(carrier);
    this.#address = carrier.channel.stream.peer;
    carrier.sender.wake();
    try {
      await run();
    } catch (error) {
      const isOver = error instanceof ProtocolError && error.reason !== "cannot_open";
      if (isOver) void carrier.end(CloseCode.protocol, error.message); // never rejects
      throw error;
    } finally {
      carrier.detach();
      this.#carriers.splice(this.#carriers.indexOf(carrier), 1);
      this.#heard = Math.max(this.#heard, carrier.channel.lastArrival);
      this.#cipher = carrier.channel.cipher;
      this.#wake();
    }
  }

  #wake(): void {
    this.#carriers.at(-1)?.sender.wake();
  }

  /** Ends the carriers that are older than this one. */
  endOlder(carrier: SessionCarrier): void {
    for (const one of this.#carriers) {
      if (one.number < carrier.number) void one.end(); // never rejects
    }
  }

  #countFrom(packets: PacketFacts): void {
    if (packets.traffic === this.#packets?.traffic) return; // counted for all carriers together
    const before = this.#packets?.traffic ?? NO_TRAFFIC;
    this.#packetsBefore.sentBytes += before.sentBytes;
    this.#packetsBefore.receivedBytes += before.receivedBytes;
    this.#packets = packets;
  }

  #describe(mostStreams: number | null) {
    const { mux } = this;
    const now = this.#clock.now();
    const { traffic = NO_TRAFFIC, known } = this.#packets ?? {};
    const before = this.#packetsBefore;
    const arrivals = this.#carriers.map(({ channel }) => channel.lastArrival);
    const cipher = this.#carriers.at(-1)?.channel.cipher ?? this.#cipher;
    return {
      peer: this.#address,
      wire: "v2" as const,
      seconds: (now - this.#began) / 1000,
      ...(cipher !== undefined && { cipher }),
      idleSeconds: (now - Math.max(this.#heard, ...arrivals)) / 1000,
      ...(this.#name !== "" && { name: this.#name }),
      ...known,
      sentBytes: mux.sentBytes + before.sentBytes + traffic.sentBytes,
      receivedBytes: mux.receivedBytes + before.receivedBytes + traffic.receivedBytes,
      streams: mux.streams,
      ...(mostStreams !== null && listStreams(mux.liveStreams, now, mostStreams)),
      keptBytes: mux.keptBytes,
      carriers: this.#carriers.map(describeCarrier),
    };
  }

  #acknowledgeLater(): void {
    this.#ackTimer ??= this.#clock.after(ACK_MS, () => {
      this.#ackTimer = null;
      this.mux.ackIsDue();
    });
  }

  /** Ends all streams with `error`. */
  end(error: TtunError): void {
    this.#ackTimer?.[Symbol.dispose]();
    this.#ackTimer = null;
    this.#listed?.[Symbol.dispose]();
    this.mux.end(error);
  }
}

function describeCarrier({ number, channel: { rttMs, stream } }: SessionCarrier): CarrierStatus {
  return { number, peer: stream.peer, ...(!Number.isNaN(rttMs) && { rttMs }) };
}
