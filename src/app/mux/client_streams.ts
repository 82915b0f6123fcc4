import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { LinkSession } from "../../core/link/v2/handshake.ts";
import { Capability, type Offer, type ServerSetup } from "../../core/link/v2/setup.ts";
import type { BesideStreams, StreamsRequest } from "../link/connect.ts";
import type { V2Link } from "../link/v2_link.ts";
import type { ClientSession } from "./client_session.ts";
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
 * Streams of a client that has a device: its links carry them beside packets. The session goes on
 * from link to link, where the server still has it; packets do not wait for it.
 */
export class ClientStreams implements BesideStreams, Disposable {
  readonly outbound: MuxOutbound;
  /** Listeners at the server, which are asked for on every new session. */
  readonly listens: RemoteListens;
  readonly #o: ClientStreamsOptions;
  readonly #current: CurrentSession;
  /** Carriers of links whose handshake is complete, until `leave`. */
  readonly #carriers = new Map<V2Link, SessionCarrier>();
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
        if ((session.peer.capabilities & Capability.streams) === 0) return;
        this.#met(link, asked, { carrier, session, setup });
      },
    };
  }

  #met(
    link: V2Link,
    asked: ClientSession,
    o: { carrier: number; session: LinkSession; setup: ServerSetup },
  ): void {
    const { clock } = this.#o;
    const { mux } = asked.joined(o.session, link.stream.peer);
    const expected = o.setup.resume?.expected ?? null;
    this.#current.joined(asked);
    const tools = { clock, buffers: this.#current.buffers };
    this.#carriers.set(link, carryBesidePackets(link, mux, o.carrier, expected, tools));
  }

  /** True if this link carries the streams too. */
  areOn(link: V2Link | undefined): boolean {
    return link !== undefined && this.#carriers.has(link);
  }

  /** True while a link carries the streams. */
  get areCarried(): boolean {
    return this.#carriers.size > 0;
  }

  /** True while there is a session, with a link or without. */
  get hasSession(): boolean {
    return this.#current.session !== null;
  }

  /** Called with the seconds after which the server's port is left; there must be a session. */
  set onMove(run: (seconds: number) => void) {
    this.#current.session!.onMove = run;
  }

  /** Has a link carry the streams while `run` runs it to its end. Throws as `run`. */
  async carry(link: V2Link, packets: PacketFacts, run: () => Promise<void>): Promise<void> {
    const carrier = this.#carriers.get(link)!;
    this.#keep();
    const { streams } = this.#current.use();
    await streams.carry(carrier, run, packets);
    if (carrier.channel.closeCode !== CloseCode.bye) return;
    this.#drop(new TtunError("lost", "The server has ended the session"));
  }

  /** A link has ended, or never carried anything. */
  leave(link: V2Link): void {
    this.#carriers.get(link)?.detach();
    this.#carriers.delete(link);
    if (this.#carriers.size === 0) this.#expireLater();
  }

  /** Ends the links that are older than this one. */
  endOlder(link: V2Link): void {
    const carrier = this.#carriers.get(link);
    if (carrier !== undefined) this.#current.session?.streams.endOlder(carrier);
  }

  /** An attempt has ended with this error, which may be the end of the session. */
  attemptFailed(error: TtunError): void {
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
    this.#expiry ??= clock.after(keepMs, () => {
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
    await this.#current.session?.streams.carriers.at(-1)?.end(CloseCode.bye);
  }

  /** Ends the session: there will be no other. */
  [Symbol.dispose](): void {
    this.#keep();
    this.#current.close();
  }
}
