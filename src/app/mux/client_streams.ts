import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { type LinkSession, PeerClosed } from "../../core/link/v2/handshake.ts";
import { Capability, type Offer, type ServerSetup } from "../../core/link/v2/setup.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import type { BesideStreams, SessionRequest } from "../link/connect.ts";
import type { V2Link } from "../link/v2_link.ts";
import { ClientSession } from "./client_session.ts";
import { withStreams } from "./limits.ts";
import { MuxOutbound } from "./mux_outbound.ts";
import { RecordBuffers } from "./record_buffers.ts";
import { RemoteListens } from "./remote_listens.ts";
import { carryBesidePackets, type SessionCarrier } from "./session_carrier.ts";
import { clientMemory } from "./session_memory.ts";
import type { PacketFacts } from "./stream_session.ts";

export interface ClientStreamsOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Logger;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  /** Milliseconds that a session without a link is kept. */
  readonly keepMs: number;
  /** Has the session while there is one. */
  readonly sessions?: SessionList | undefined;
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
  readonly #memory = clientMemory();
  readonly #buffers = new RecordBuffers();
  #session: ClientSession | null = null;
  /** The session of the handshake that runs, or ran last. */
  #asked: ClientSession | null = null;
  /** The number of that carrier. */
  #number = 0;
  /** Of a link whose handshake is complete, until `carry` ends. */
  #carrier: SessionCarrier | null = null;
  /** Ends the session; runs while it has no link. */
  #expiry: Disposable | null = null;

  constructor(o: ClientStreamsOptions) {
    this.#o = o;
    this.outbound = new MuxOutbound(o.clock);
    this.listens = new RemoteListens(o.clock);
  }

  offer(packets: Offer): Offer {
    return withStreams(packets);
  }

  request(): SessionRequest {
    this.#carrier?.detach(); // its link ended before it could carry anything
    this.#carrier = null;
    const { clock, secrets, instance, sessions } = this.#o;
    this.#asked = this.#session ?? new ClientSession({
      clock,
      secrets,
      instance,
      memory: this.#memory,
      buffers: this.#buffers,
      sessions,
      onOpened: (stream, open) => this.listens.onOpened(stream, open),
    });
    const request = this.#asked.request();
    this.#number = request.identity.carrier;
    return request;
  }

  met(link: V2Link, session: LinkSession, setup: ServerSetup): void {
    if ((session.peer.capabilities & Capability.streams) === 0) return;
    const { clock } = this.#o;
    const asked = this.#asked!;
    const { mux } = asked.joined(session, link.stream.peer);
    const expected = setup.resume?.expected ?? null;
    this.#session = asked;
    const o = { clock, buffers: this.#buffers };
    this.#carrier = carryBesidePackets(link, mux, this.#number, expected, o);
  }

  /** True while the newest link carries the streams. */
  get areCarried(): boolean {
    return this.#carrier !== null;
  }

  /** True while there is a session, with a link or without. */
  get hasSession(): boolean {
    return this.#session !== null;
  }

  /** Has it carry the streams while `run` runs it to its end. Throws as `run`. */
  async carry(packets: PacketFacts, run: () => Promise<void>): Promise<void> {
    const carrier = this.#carrier!;
    const { streams } = this.#session!;
    this.#keep();
    this.outbound.useSession(streams);
    this.listens.useSession(streams);
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
    if (this.#session === null) return;
    const { clock, keepMs } = this.#o;
    const words = `Lost the connection with the server for over ${Math.round(keepMs / 1000)} s`;
    this.#expiry = clock.after(keepMs, () => this.#drop(new TtunError("lost", words)));
  }

  #drop(error: TtunError): void {
    this.#keep();
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.outbound.useSession(null);
    this.listens.useSession(null);
    session.end(error);
  }

  /** Tells the server that the session ends: nobody comes back to it. */
  sayBye(): void {
    this.#carrier?.end(CloseCode.bye);
  }

  /** Ends the session: there will be no other. */
  [Symbol.dispose](): void {
    this.#drop(new TtunError("lost", "The connection with the server has ended"));
    this.outbound.close();
  }
}

/** A server that is busy with others for now does not end a session that it keeps. */
function endsSession(error: TtunError): boolean {
  if (error instanceof PeerClosed) {
    return error.code !== CloseCode.carrier && error.code !== CloseCode.busy;
  }
  return error instanceof ProtocolError && error.reason !== "cannot_open";
}
