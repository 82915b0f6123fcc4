import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { Capability, type Offer } from "../../core/link/v2/setup.ts";
import type { BesideStreams, StreamsRequest } from "../link/connect.ts";
import { CurrentSession, type CurrentSessionOptions, endsSession } from "./current_session.ts";
import { withStreams } from "./limits.ts";
import type { MuxOutbound } from "./mux_outbound.ts";
import type { RemoteListens } from "./remote_listens.ts";
import { carryBesidePackets, type SessionCarrier } from "./session_carrier.ts";
import type { PacketFacts } from "./stream_session.ts";

export interface ClientStreamsOptions extends CurrentSessionOptions {
  readonly log: Logger;
}

/**
 * Streams of a client that has a device: its links carry them beside packets, one after the other.
 * The session goes on from link to link, where the server still has it; packets do not wait for it.
 */
export class ClientStreams implements BesideStreams, Disposable {
  readonly outbound: MuxOutbound;
  /** Listeners at the server, which are asked for on every new session. */
  readonly listens: RemoteListens;
  readonly #o: ClientStreamsOptions;
  readonly #current: CurrentSession;
  /** Of a link whose handshake is complete, until `carry` ends. */
  #carrier: SessionCarrier | null = null;
  /** Ends the session; runs while it has no link. */
  #expiry: Disposable | null = null;

  constructor(o: ClientStreamsOptions) {
    this.#o = o;
    this.#current = new CurrentSession(o);
    this.outbound = this.#current.outbound;
    this.listens = this.#current.listens;
  }

  offer(packets: Offer): Offer {
    return withStreams(packets);
  }

  request(): StreamsRequest {
    const asked = this.#current.toJoin();
    const request = asked.request();
    const { carrier } = request.identity;
    return {
      ...request,
      met: (link, session, setup) => {
        this.#detach();
        if ((session.peer.capabilities & Capability.streams) === 0) return;
        const { clock } = this.#o;
        const { mux } = asked.joined(session, link.stream.peer);
        const expected = setup.resume?.expected ?? null;
        this.#current.joined(asked);
        const o = { clock, buffers: this.#current.buffers };
        this.#carrier = carryBesidePackets(link, mux, carrier, expected, o);
      },
    };
  }

  /** Leaves a link that ended before it could carry anything. */
  #detach(): void {
    this.#carrier?.detach();
    this.#carrier = null;
  }

  /** True while the newest link carries the streams. */
  get areCarried(): boolean {
    return this.#carrier !== null;
  }

  /** True while there is a session, with a link or without. */
  get hasSession(): boolean {
    return this.#current.session !== null;
  }

  /** Has it carry the streams while `run` runs it to its end. Throws as `run`. */
  async carry(packets: PacketFacts, run: () => Promise<void>): Promise<void> {
    const carrier = this.#carrier!;
    this.#keep();
    const { streams } = this.#current.use();
    try {
      await streams.carry(carrier, run, packets);
      if (carrier.channel.closeCode !== CloseCode.bye) return;
      this.#drop(new TtunError("lost", "The server has ended the session"));
    } finally {
      this.#carrier = null;
      this.#expireLater();
    }
  }

  /** An attempt has ended with this error, which may be the end of the session. */
  attemptFailed(error: TtunError): void {
    this.#detach();
    if (endsSession(error)) this.#drop(error);
  }

  /** Says once for each link why no streams go by it. */
  warnOfNone(wire: "v1" | "v2"): void {
    this.#o.log.warn(
      wire === "v1"
        ? "forwards do not work: the server speaks version 1 of the wire, and they need version 2"
        : "forwards do not work: the server carries a device's packets alone; update it",
    );
  }

  /** It has a link: the session does not end by itself. */
  #keep(): void {
    this.#expiry?.[Symbol.dispose]();
    this.#expiry = null;
  }

  #expireLater(): void {
    if (!this.hasSession) return;
    const { clock, keepMs } = this.#o;
    this.#expiry = clock.after(keepMs, () => {
      this.#keep();
      this.#current.expire();
    });
  }

  #drop(error: TtunError): void {
    this.#keep();
    this.#current.drop(error);
  }

  /**
   * Tells the server that the session ends: nobody comes back to it. Settles as
   * `RecordChannel.end` does.
   */
  async sayBye(): Promise<void> {
    await this.#carrier?.end(CloseCode.bye);
  }

  /** Ends the session: there will be no other. */
  [Symbol.dispose](): void {
    this.#keep();
    this.#current.close();
  }
}
