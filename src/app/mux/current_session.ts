import { ProtocolError, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import type { SessionList } from "../../core/status/session_list.ts";
import type { WireSecrets } from "../link/config.ts";
import { ClientSession } from "./client_session.ts";
import { MuxOutbound } from "./mux_outbound.ts";
import { RecordBuffers } from "./record_buffers.ts";
import { RemoteListens } from "./remote_listens.ts";
import { clientMemory } from "./session_memory.ts";

export interface CurrentSessionOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  /** Milliseconds that a session without a connection is kept. */
  readonly keepMs: number;
  /** Milliseconds that an open waits for a session; absent = longer than a handshake takes. */
  readonly openWaitMs?: number | undefined;
  /** Seconds without a byte after which the server counts as dead; absent = the usual ones. */
  readonly deadTime?: number | undefined;
  /** Has the session while there is one. */
  readonly sessions?: SessionList | undefined;
}

/** The session that a client has with its server, with those who open streams on it. */
export class CurrentSession {
  readonly outbound: MuxOutbound;
  /** Listeners at the server, which are asked for on every new session. */
  readonly listens: RemoteListens;
  readonly buffers = new RecordBuffers();
  readonly #o: CurrentSessionOptions;
  readonly #memory = clientMemory();
  #session: ClientSession | null = null;
  /** A new one that is tried. */
  #next: ClientSession | null = null;

  constructor(o: CurrentSessionOptions) {
    this.#o = o;
    this.outbound = new MuxOutbound(o.clock, o.openWaitMs);
    this.listens = new RemoteListens(o.clock);
  }

  /** Null: there is none. */
  get session(): ClientSession | null {
    return this.#session;
  }

  /** Returns the session that there is, else a new one, which `joined` makes the current one. */
  toJoin(): ClientSession {
    if (this.#session !== null) return this.#session;
    const { clock, secrets, instance, sessions, deadTime } = this.#o;
    return this.#next = new ClientSession({
      clock,
      secrets,
      instance,
      memory: this.#memory,
      buffers: this.buffers,
      sessions,
      deadTime,
      early: this.outbound,
      onOpened: (stream, open) => this.listens.onOpened(stream, open),
    });
  }

  /** The server knows this session now. */
  joined(session: ClientSession): void {
    this.#session = session;
    this.#next = null;
  }

  /** An attempt has failed: goes on with a new session that the server may have all the same. */
  keepBegun(): void {
    if (this.#session === null && this.#next?.hasBegun === true) this.#session = this.#next;
    this.#next = null;
  }

  /** Opens streams on it from now on, and returns it. There must be one. */
  use(): ClientSession {
    const session = this.#session!;
    this.outbound.useSession(session.streams);
    this.listens.useSession(session.streams);
    return session;
  }

  /** Ends the session if there is one. */
  drop(error: TtunError): void {
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.outbound.useSession(null);
    this.listens.useSession(null);
    session.end(error);
  }

  /** Ends a session that has been without a connection for as long as one is kept. */
  expire(): void {
    const seconds = Math.round(this.#o.keepMs / 1000);
    this.drop(new TtunError("lost", `Lost the connection with the server for over ${seconds} s`));
  }

  /** Ends the session: there will be no other. */
  close(): void {
    this.drop(new TtunError("lost", "The connection with the server has ended"));
    this.outbound.close();
  }
}

/** Returns true if nobody can go on with the session after this error of a connection. */
export function endsSession(error: TtunError): boolean {
  // A server that is busy with others for now keeps the session all the same.
  if (error instanceof PeerClosed) {
    return error.code !== CloseCode.carrier && error.code !== CloseCode.busy;
  }
  return error instanceof ProtocolError && error.reason !== "cannot_open";
}
