import { ProtocolError, toTtunError, TtunError } from "../../base/errors.ts";
import type { LogFields, Logger } from "../../base/log.ts";
import { scope } from "../../base/scope.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { type LinkSession, PeerClosed } from "../../core/link/v2/handshake.ts";
import { Capability, ID_SIZE } from "../../core/link/v2/setup.ts";
import { SharedBudget } from "../../core/mux/receive_window.ts";
import { Backoff } from "../../core/net/backoff.ts";
import type { WireSecrets } from "../link/config.ts";
import { connectCarrier } from "../link/connect_carrier.ts";
import { sleep } from "../loop/sleep.ts";
import { Carrier } from "./carrier.ts";
import { MOST_WINDOWS, streamOffer } from "./limits.ts";
import { MuxOutbound } from "./mux_outbound.ts";
import { RecordBuffers } from "./record_buffers.ts";
import { StreamSession } from "./stream_session.ts";

export interface MuxClientOptions {
  /** Connects to the server; the connection lives under `signal`. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Logger;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  /** Milliseconds that a session without a carrier is kept. */
  readonly keepMs: number;
  /** Attempts in a row that may follow a failed one; Infinity = no limit. */
  readonly retries: number;
  /** Facts about a connection for the log. */
  readonly facts?: (stream: Connection) => LogFields;
}

/** SOCKS5 reply (RFC 1928 section 6) to a server that opens streams by itself. */
const NOT_ALLOWED = 2;

/** Milliseconds; a carrier that lived longer is followed by another at once. */
const STEADY_MS = 1000;

interface Ended {
  readonly error: TtunError;
  /** Milliseconds that the carrier was up; null = it never was. */
  readonly upMs: number | null;
}

/** A session that goes on from carrier to carrier. */
interface Held {
  readonly session: StreamSession;
  readonly id: Uint8Array;
  /** The secret of its proofs. */
  readonly secret: Uint8Array;
  carrier: number;
  /** Time when its last carrier was lost. */
  lostAt: number;
}

/**
 * Keeps a session with a server: connects again when the carrier is lost, and goes on with the
 * session where the server still has it. Streams are opened by `outbound`.
 */
export class MuxClient {
  readonly outbound: MuxOutbound;
  readonly #o: MuxClientOptions;
  readonly #budget = new SharedBudget(MOST_WINDOWS);
  readonly #buffers = new RecordBuffers();
  readonly #backoff = new Backoff();
  #held: Held | null = null;

  constructor(o: MuxClientOptions) {
    this.#o = o;
    this.outbound = new MuxOutbound(o.clock);
  }

  /** Runs until the signal aborts. @throws its reason, or the last failure beyond `retries` */
  async run(signal: AbortSignal): Promise<never> {
    const { log, retries, secrets, clock } = this.#o;
    try {
      for (let failures = 0;;) {
        const { error, upMs } = await this.#attempt(signal);
        signal.throwIfAborted();
        failures = upMs === null ? failures + 1 : 1;
        if (failures > retries) throw error;
        this.#expire();
        const isSteady = upMs !== null && upMs >= STEADY_MS;
        if (isSteady) this.#backoff.restart();
        const pause = isSteady && this.#held !== null
          ? 0
          : this.#backoff.pause(secrets.rng(1)[0]! / 256);
        log.warn(error.message, { retry_in_seconds: Math.round(pause / 100) / 10 });
        if (pause > 0) await sleep(clock, pause, signal);
        this.#expire();
      }
    } finally {
      this.#drop(new TtunError("lost", "The connection with the server has ended"));
      this.outbound.close();
    }
  }

  /** Ends a session that nobody can go on with. */
  #expire(): void {
    const { clock, keepMs } = this.#o;
    if (this.#held === null || clock.now() - this.#held.lostAt < keepMs) return;
    const words = `Lost the connection with the server for over ${Math.round(keepMs / 1000)} s`;
    this.#drop(new TtunError("lost", words));
  }

  #drop(error: TtunError): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.outbound.useSession(null);
    held.session.end(error);
    held.secret.fill(0);
  }

  /** Runs one connection from its dial to its end. */
  async #attempt(signal: AbortSignal): Promise<Ended> {
    const { clock } = this.#o;
    let upSince: number | null = null;
    let error = new TtunError("lost", "Lost the connection with the server");
    try {
      await scope(signal, async (tasks) => {
        await using stream = await this.#o.dial(tasks.signal);
        const carrier = await this.#connect(stream);
        await using _carrier = carrier;
        const held = this.#held!;
        upSince = clock.now();
        const { facts = () => ({}) } = this.#o;
        this.#o.log.info(held.carrier === 1 ? "authenticated" : "session goes on", {
          server: stream.peer,
          wire: "v2",
          ...facts(stream),
        });
        this.outbound.useSession(held.session);
        await held.session.run(carrier, tasks.signal);
        if (carrier.channel.closeCode === CloseCode.bye) {
          throw new PeerClosed("lost", CloseCode.bye, "The server has ended the session");
        }
      });
    } catch (thrown) {
      error = toTtunError(thrown);
      const isOver = error instanceof ProtocolError && error.reason !== "cannot_open" ||
        error instanceof PeerClosed && error.code !== CloseCode.carrier;
      if (isOver) this.#drop(error);
    }
    if (upSince === null) return { error, upMs: null };
    const now = clock.now();
    if (this.#held !== null) this.#held.lostAt = now;
    return { error, upMs: now - upSince };
  }

  /** Runs the handshake: with a session that is held the next carrier of it, else a new one. */
  async #connect(stream: Connection): Promise<Carrier> {
    const { secrets, clock, instance } = this.#o;
    const held = this.#held;
    const id = held?.id ?? secrets.rng(ID_SIZE);
    const number = held === null ? 1 : ++held.carrier;
    const { session, setup } = await connectCarrier(stream, {
      secrets,
      clock,
      offer: streamOffer(),
      identity: { instance, session: id, carrier: number },
      ...(held !== null && {
        resume: { secret: held.secret, expected: held.session.mux.expected },
      }),
    });
    const { session: streams } = held ?? (this.#held = this.#begin(id, session));
    const expected = setup.resume?.expected ?? null;
    const { rng, rekey } = secrets;
    const o = { clock, rng, rekey, buffers: this.#buffers };
    return new Carrier(streams.mux, number, expected, stream, session, o);
  }

  #begin(id: Uint8Array, { peer, resume }: LinkSession): Held {
    if ((peer.capabilities & Capability.streams) === 0) {
      throw new TtunError(
        "protocol",
        "Cannot forward: the server carries a device's packets alone; start it with --no-tun, or " +
          "update it",
      );
    }
    const session = new StreamSession({
      role: "client",
      peer,
      clock: this.#o.clock,
      budget: this.#budget,
      onOpened: (stream) => stream.answer(NOT_ALLOWED, null), // nothing was asked for
    });
    return { session, id, secret: resume.slice(), carrier: 1, lostAt: this.#o.clock.now() };
  }
}
