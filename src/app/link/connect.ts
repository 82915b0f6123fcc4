import { type ErrorKind, toTtunError, TtunError } from "../../base/errors.ts";
import type { Clock } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import { ClientHandshake } from "../../core/link/v2/client_handshake.ts";
import { readAddresses } from "../../core/link/v2/addresses.ts";
import { readNameServers, readRoutes } from "../../core/link/v2/pushed.ts";
import { type LinkSession, PeerClosed } from "../../core/link/v2/handshake.ts";
import type { ClientIdentity } from "../../core/link/v2/identity.ts";
import {
  Capability,
  ID_SIZE,
  type Offer,
  type ServerSetup,
  type SessionIdentity,
} from "../../core/link/v2/setup.ts";
import { HELLO_SIZE, V1ClientHandshake } from "../../core/link/v1/handshake.ts";
import { answers, DEAD_TIME, keepAlive } from "./keepalive.ts";
import { isSuspect } from "./suspicion.ts";
import { V1Link } from "./v1_link.ts";
import { type DeviceFacts, V2Link } from "./v2_link.ts";
import { handshakeConfig, packetOffer, type PeerLink, type WireSecrets } from "./config.ts";
import { HANDSHAKE_DEADLINE } from "../net/stranger.ts";
import { read, write } from "../loop/stream_io.ts";

/**
 * Milliseconds that tell version 1 refusals apart: for a wrong key or cipher the server closes at
 * once, one that serves another client keeps a newcomer waiting.
 */
const QUICK_CLOSE = 2_000;

const BUFFER = 8192;

export interface ServerMemory {
  /** The server has spoken version 2 with this key: never speak version 1 to it. */
  readonly seenV2: boolean;
  /** Called each time the server speaks version 2. */
  reportV2(): void;
}

/** A handshake's facts about a session of streams. */
export interface SessionRequest {
  readonly identity: Omit<SessionIdentity, "resume" | "identity">;
  /** The session's secret and the next numbered frame, where a link goes on with a session. */
  readonly resume?: { readonly secret: Uint8Array; readonly expected: number };
}

/** A handshake that asks for streams. */
export interface StreamsRequest extends SessionRequest {
  /** The handshake is complete; nothing has been read from the link. */
  met(link: V2Link, session: LinkSession, setup: ServerSetup): void;
}

/** Streams that a link is to carry beside its packets. */
export interface BesideStreams {
  /** Returns the offer with streams added. */
  offer(packets: Offer): Offer;
  /** Called once for each handshake of version 2; several may run at the same time. */
  request(): StreamsRequest;
}

export interface MeetingOptions {
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  /** 16 random bytes that identify this process. */
  readonly instance: Uint8Array;
  /** This client's self-description, for a server that assigns addresses. */
  readonly identity?: ClientIdentity | undefined;
  readonly memory: ServerMemory;
  readonly device: DeviceFacts;
  /** Absent = the link carries packets alone. */
  readonly streams?: BesideStreams | undefined;
  /** Called with the segment size, in bytes, that passes on this path. */
  readonly onSegmentSize?: (bytes: number) => void;
  /** The server has proved the key. False: another connection has, so this one is given up. */
  readonly proved?: () => boolean;
}

/**
 * Runs the client's side of the handshake.
 * @throws {TtunError} auth, timeout, busy, clock, protocol, lost: with a message for the user
 */
export async function connectLink(stream: Connection, o: MeetingOptions): Promise<PeerLink> {
  const meeting = new Meeting(stream, o);
  let late = null as TtunError | null;
  using _deadline = o.clock.after(HANDSHAKE_DEADLINE, () => {
    late = meeting.silent();
    stream.reset();
  });
  try {
    return await meeting.run();
  } catch (thrown) {
    throw late ?? meeting.explain(toTtunError(thrown));
  }
}

class AnsweredElsewhere extends TtunError {}

class Meeting {
  readonly #stream: Connection;
  readonly #o: MeetingOptions;
  readonly #to: string;
  readonly #began: number;
  readonly #buffer = new Uint8Array(BUFFER);
  #wire: "v1" | "v2" = "v2";
  /** Time of the first bytes of the answer. */
  #answered: number | null = null;
  /** Time when this end's proof was sent. */
  #proved: number | null = null;
  /** The server has sent FIN rather than reset the connection. */
  #hasEnded = false;
  /** The server's first answer proved that it has the key (version 2). */
  #knowsKey = false;

  constructor(stream: Connection, o: MeetingOptions) {
    this.#stream = stream;
    this.#o = o;
    this.#to = stream.peer;
    this.#began = o.clock.now();
  }

  async run(): Promise<PeerLink> {
    const { mode, rng } = this.#o.secrets;
    if (mode === "v1") {
      const nonce = rng(HELLO_SIZE);
      await write(this.#stream, nonce);
      return await this.#runV1(nonce, new Uint8Array());
    }
    return await this.#runV2(mode === "v2");
  }

  async #runV2(only: boolean): Promise<PeerLink> {
    const { secrets, clock, identity, memory, device, streams } = this.#o;
    const packets = packetOffer(device.takes);
    const request: SessionRequest & Partial<StreamsRequest> = streams?.request() ??
      this.#requestOfPackets();
    const { resume } = request;
    using handshake = new ClientHandshake(
      handshakeConfig(secrets, streams?.offer(packets) ?? packets, this.#stream),
      {
        sessionIdentity: {
          ...request.identity,
          ...(identity !== undefined && { identity }),
        },
        ...(resume !== undefined && { resume }),
        pads: only,
        unixMs: secrets.wallClock,
      },
    );
    await write(this.#stream, handshake.hello());
    for (;;) {
      for (const step of handshake.feed(await this.#read())) {
        switch (step.kind) {
          case "stranger":
            if (only || memory.seenV2 || resume !== undefined) throw notVersion2(this.#to, only);
            return await this.#runV1(
              handshake.hello(),
              new Uint8Array([...step.nonce, ...step.rest]),
            );
          case "send":
            this.#expectFirst();
            memory.reportV2();
            this.#knowsKey = true;
            await write(this.#stream, step.bytes);
            this.#proved = clock.now();
            break;
          case "done":
            return await this.#linkV2(step.session, step.setup, request.met);
          default:
            step satisfies never;
        }
      }
    }
  }

  /** Of several connections one alone goes on. @throws {TtunError} lost */
  #expectFirst(): void {
    if (this.#o.proved?.() !== false) return;
    throw new AnsweredElsewhere("lost", "Another connection has been answered first");
  }

  /** Packets alone have a session that nothing goes on with. */
  #requestOfPackets(): SessionRequest {
    const { instance, secrets } = this.#o;
    return { identity: { instance, session: secrets.rng(ID_SIZE), carrier: 1 } };
  }

  async #linkV2(
    session: LinkSession,
    setup: ServerSetup,
    streamsMet: StreamsRequest["met"] | undefined,
  ): Promise<PeerLink> {
    const { clock, device, secrets } = this.#o;
    const { addresses, routes, nameServers } = setup;
    const { rng, rekey } = secrets;
    await using unread = new AsyncDisposableStack();
    const link = unread.use(
      new V2Link(this.#stream, session, {
        clock,
        rng,
        rekey,
        device,
        onSegmentSize: this.#o.onSegmentSize,
      }),
    );
    const given = addresses === undefined ? [] : readAddresses(addresses);
    const pushed = {
      routes: routes === undefined ? [] : readRoutes(routes),
      nameServers: nameServers === undefined ? [] : readNameServers(nameServers),
    };
    if (streamsMet !== undefined && (session.peer.capabilities & Capability.tun) === 0) {
      throw new TtunError("protocol", `Cannot use ${this.#to}: the server has no device`);
    }
    streamsMet?.(link, session, setup);
    unread.move();
    const { channel } = link;
    return {
      wire: "v2",
      cipher: session.cipher,
      cipherReason: session.cipherReason,
      link,
      v2: link,
      addresses: given,
      pushed,
      watch: (signal) => keepAlive(channel, { clock, rng, deadTimeMs: DEAD_TIME * 1000, signal }),
      probe: (signal) => answers(channel, { clock, signal }),
      rttMs: () => channel.rttMs,
      isUnanswered: () => channel.isUnanswered,
      isSuspect: () => isSuspect(channel, clock.now()),
    };
  }

  async #runV1(nonce: Uint8Array, first: Uint8Array): Promise<PeerLink> {
    this.#wire = "v1";
    using handshake = new V1ClientHandshake({ ...this.#o.secrets.v1, nonce });
    for (let chunk = first;; chunk = await this.#read()) {
      for (const step of handshake.feed(chunk)) {
        if (step.kind === "done") {
          this.#expectFirst();
          return { wire: "v1", link: new V1Link(this.#stream, step.session) };
        }
        if (step.kind === "send") await write(this.#stream, step.bytes);
        this.#proved = this.#o.clock.now();
      }
    }
  }

  async #read(): Promise<Uint8Array> {
    const got = await read(this.#stream, this.#buffer);
    if (got === null) {
      this.#hasEnded = true;
      throw new TtunError("lost", "The server closed the connection");
    }
    this.#answered ??= this.#o.clock.now();
    return this.#buffer.subarray(0, got);
  }

  silent(): TtunError {
    // A server of both versions does not answer a client that has another key.
    const { isDelivered } = this.#stream.stats();
    if (this.#wire === "v1" && this.#proved !== null && isDelivered !== false) {
      return new TtunError(
        "auth",
        `Cannot authenticate with ${this.#to}: it was silent for ${HANDSHAKE_DEADLINE / 1000} s ` +
          "after it had heard of our key; wrong key or cipher: both ends need the same -k and -m",
      );
    }
    return new TtunError(
      "timeout",
      `Cannot authenticate with ${this.#to}: no answer within ${HANDSHAKE_DEADLINE / 1000} s; ` +
        "is it a ttun server with this key, and is no other client connected to it?",
    );
  }

  /** Version 1 has no refusal message; the time of the close shows the reason. */
  explain(error: TtunError): TtunError {
    if (error.kind !== "lost" || error instanceof PeerClosed) return error; // it says why
    if (error instanceof AnsweredElsewhere) return error;
    const now = this.#o.clock.now();
    const told = (kind: ErrorKind, words: string) => new TtunError(kind, words, { cause: error });
    // Too many half-open connections are reset, which says nothing about the key.
    const orBusy = this.#hasEnded ? "" : ", or has it too many connections at the moment?";
    if (this.#knowsKey) {
      return told(
        "lost",
        `Cannot use ${this.#to}: the connection ended in the middle of the handshake, though the key ` +
          "is right; the server may have too many connections at the moment",
      );
    }
    if (this.#proved === null) {
      const seconds = ((now - this.#began) / 1000).toFixed(1);
      return told(
        "protocol",
        `Cannot authenticate with ${this.#to}: it closed the connection after ${seconds} s ` +
          `without an answer; is it a ttun server${orBusy === "" ? "?" : orBusy}`,
      );
    }
    const thereAndBack = (this.#answered ?? this.#began) - this.#began;
    if (now - this.#proved < thereAndBack + QUICK_CLOSE) {
      return told(
        "auth",
        `Cannot authenticate with ${this.#to}: it refused; wrong key or cipher: ` +
          `both ends need the same -k and -m${
            orBusy === "" ? "" : "; or it has too many connections"
          }`,
      );
    }
    return told("busy", `Cannot use ${this.#to}: it serves another client; end that one first`);
  }
}

function notVersion2(to: string, only: boolean): TtunError {
  return new TtunError(
    "auth",
    only
      ? `Cannot authenticate with ${to}: it does not speak version 2 of the wire, or its key is another`
      : `Cannot authenticate with ${to}: it has spoken version 2 of the wire before and does not now: ` +
        "its key is another, or someone is in the middle (--wire v1 would connect all the same)",
  );
}
