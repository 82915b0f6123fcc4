import type { Reader } from "../../base/varint.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { LEAST_RTT, type Mux, type MuxCarrier } from "../../core/mux/mux.ts";
import type { StreamFrames } from "../link/packet_reader.ts";
import type { RecordChannel } from "../link/record_channel.ts";
import type { V2Link } from "../link/v2_link.ts";
import { SealedPackets } from "./sealed_packets.ts";
import { StreamSender, type StreamSenderOptions } from "./stream_sender.ts";

/** A carrier as its session has it, whoever reads the connection and whatever else is on it. */
export class SessionCarrier implements StreamFrames {
  readonly number: number;
  readonly channel: RecordChannel<never>;
  readonly sender: StreamSender;
  readonly #mux: Mux;
  readonly #place: MuxCarrier;
  readonly #packets: SealedPackets | null;
  #leastRtt = NaN;

  /**
   * The handshake is complete; `peerExpected` as `Mux.attach` has it. The channel stays the caller's.
   * @throws {ProtocolError} if the peer expects what was never sent
   */
  constructor(
    mux: Mux,
    number: number,
    peerExpected: number | null,
    channel: RecordChannel<never>,
    o: StreamSenderOptions,
  ) {
    this.#mux = mux;
    this.number = number;
    this.channel = channel;
    this.#place = mux.attach(number, peerExpected);
    this.#packets = this.#openPackets();
    this.#place.lossy = this.#packets;
    this.sender = new StreamSender(mux, this.#place, channel.writer, o);
  }

  /** Least round trip so far, without the queues that bulk makes; NaN before it is known. */
  get leastRttMs(): number {
    const { rttMs } = this.channel;
    if (!(this.#leastRtt <= rttMs)) this.#leastRtt = Math.max(LEAST_RTT, rttMs);
    return this.#leastRtt;
  }

  /** Takes a frame of streams, as `Mux.receive` does. */
  receive(frames: Reader): boolean {
    return this.#mux.receive(this.#place, frames);
  }

  #openPackets(): SealedPackets | null {
    const opened = this.channel.openPackets();
    if (opened === null) return null;
    return new SealedPackets(opened.way, opened.keys, (frames) => this.#mux.receiveLossy(frames));
  }

  takeHandled(): boolean {
    return this.#mux.takeHandled();
  }

  /** Nothing comes on it or goes by it any more. */
  detach(): void {
    this.#mux.detach(this.#place);
    this.#packets?.[Symbol.dispose]();
  }

  /** Tells the peer that this carrier ends, as `RecordChannel.end` does. */
  end(code: number = CloseCode.carrier, words = ""): Promise<void> {
    return this.channel.end(code, words);
  }
}

/** Has a device's link carry a session's streams beside its packets. Throws as the constructor. */
export function carryBesidePackets(
  link: V2Link,
  mux: Mux,
  number: number,
  peerExpected: number | null,
  { clock, buffers }: Pick<StreamSenderOptions, "clock" | "buffers">,
): SessionCarrier {
  const { channel, share } = link;
  const limitUnsent = (bytes: number) => link.limitUnsentOfStreams(bytes);
  const o = { clock, buffers, share, limitUnsent };
  const carrier = new SessionCarrier(mux, number, peerExpected, channel, o);
  link.carryStreams(carrier);
  return carrier;
}
