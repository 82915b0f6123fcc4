import { SERVER, type StreamWorld } from "./stream_programs.ts";
import { seededRng } from "./rng.ts";
import { connectCarrier } from "../../src/app/link/connect_carrier.ts";
import { RecordChannel } from "../../src/app/link/record_channel.ts";
import { packetOffer } from "../../src/app/link/config.ts";
import { streamOffer, withStreams } from "../../src/app/mux/limits.ts";
import { dial } from "../../src/app/net/dial_events.ts";
import { concat } from "../../src/base/bytes.ts";
import type { Connection } from "../../src/contract/connection.ts";
import {
  type MuxFrameHandler,
  type Open,
  packOpen,
  packOpenBody,
  readMuxFrame,
} from "../../src/core/mux/frames.ts";
import { keptLog } from "./log.ts";
import { tell } from "./mux_end.ts";

export interface HostileOptions {
  /** Address that it dials from. */
  readonly from?: string;
  /** Number that its session and instance are made from. */
  readonly seed?: number;
  readonly psk?: string;
  readonly carrier?: number;
  readonly resume?: { readonly secret: Uint8Array; readonly expected: number };
  /** It wants a device's packets as well. */
  readonly packets?: boolean;
  /** Sees the connection before the handshake. */
  readonly tamper?: (stream: Connection) => Connection;
}

/** A client that has the key, and sends the frames that a test wants. */
export class HostileClient {
  readonly stream: Connection;
  /** The secret of its session's proofs. */
  readonly secret: Uint8Array;
  readonly #channel: RecordChannel<void>;
  readonly #words: string[] = [];

  private constructor(
    stream: Connection,
    secret: Uint8Array,
    channel: (words: string[]) => RecordChannel<void>,
  ) {
    this.stream = stream;
    this.secret = secret;
    this.#channel = channel(this.#words);
  }

  /** Begins a session, or resumes one. */
  static async connect(world: StreamWorld, o: HostileOptions = {}): Promise<HostileClient> {
    const { from = "192.0.2.66", seed = 1, psk, carrier = 1, resume, packets = false } = o;
    const { tamper = (stream: Connection) => stream } = o;
    const { signal } = new AbortController();
    const dialed = await dial(world.net.dialer(from), SERVER, { signal });
    const stream = tamper(dialed);
    const { secrets, clock } = world.common(keptLog(world.clock).log, signal, { psk });
    const id = seededRng(seed * 1_000_003);
    const { session } = await connectCarrier(stream, {
      secrets,
      clock,
      offer: packets ? withStreams(packetOffer(0)) : streamOffer(),
      identity: { instance: id(16), session: id(16), carrier },
      ...(resume !== undefined && { resume }),
    });
    const secret = session.resume.slice();
    return new HostileClient(stream, secret, (words) =>
      new RecordChannel(stream, session, {
        readFrames: (channel) => {
          const { frames } = channel;
          while (!frames.isAtEnd) {
            const { at } = frames;
            if (!readMuxFrame(frames, IGNORED)) channel.readControl();
            else words.push(...tell(frames.bytes.subarray(at, frames.at)));
          }
          return 0;
        },
      }, { clock, rng: secrets.rng }));
  }

  /** Sends frames as one record. */
  send(...frames: Uint8Array[]): void {
    this.#channel.writer.sendAside(() => concat(...frames));
  }

  open(stream: number, open: Open): void {
    this.send(packOpen(stream, packOpenBody(open)));
  }

  /** Frames that have come. Throws what ended the connection. */
  heard(): readonly string[] {
    for (let got; (got = this.#channel.recvNow()) !== undefined && got !== 0;);
    return this.#words.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#channel[Symbol.asyncDispose]();
  }
}

const nothing = (): void => {};

const IGNORED: MuxFrameHandler = {
  open: nothing,
  opened: nothing,
  data: nothing,
  datagram: nothing,
  fin: nothing,
  reset: nothing,
  window: nothing,
  position: nothing,
  ack: nothing,
  move: nothing,
};
