import { toTtunError, TtunError } from "../../base/errors.ts";
import type { DatagramPath, Datagrams } from "../../contract/datagrams.ts";
import { UdpClientHandshake } from "../../core/link/udp/client_handshake.ts";
import { DATAGRAM_OVERHEAD, type Head, randomId } from "../../core/link/udp/head.ts";
import { type HeadMasks, headMasks } from "../../core/link/udp/keys.ts";
import type { UdpSession } from "../../core/link/udp/session.ts";
import { readAddresses } from "../../core/link/v2/addresses.ts";
import { readNameServers, readRoutes } from "../../core/link/v2/pushed.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { ID_SIZE, type ServerSetup } from "../../core/link/v2/setup.ts";
import { sleep } from "../loop/sleep.ts";
import { handshakeConfig, packetOffer, type PeerLink } from "./config.ts";
import { DEFAULT_REKEY } from "./record_writer.ts";
import type { UdpConnection, UdpMeetingOptions } from "./udp_connection.ts";
import { UdpLink } from "./udp_link.ts";
import { type DatagramSink, UdpSocket } from "./udp_socket.ts";

/** Milliseconds between two looks at whether new keys are due. */
const RENEW_LOOK_MS = 1000;

/** Milliseconds after a renewal that failed until the next. */
const RENEW_AGAIN_MS = 30_000;

/**
 * Runs the client's side of the handshake over UDP. The link ends with the stream, whose socket it
 * reads.
 * @throws {TtunError} auth, timeout, busy, clock, protocol, lost: with a message for the user
 */
export async function connectUdp(
  stream: UdpConnection,
  datagrams: Datagrams,
  o: UdpMeetingOptions,
): Promise<PeerLink> {
  const client = new UdpClient(stream, datagrams, o);
  const { session, setup } = await client.meet();
  const link = client.begin(session);
  const { addresses, routes, nameServers } = setup;
  return {
    wire: "v2",
    cipher: session.cipher,
    cipherReason: session.cipherReason,
    link,
    addresses: addresses === undefined ? [] : readAddresses(addresses),
    pushed: {
      routes: routes === undefined ? [] : readRoutes(routes),
      nameServers: nameServers === undefined ? [] : readNameServers(nameServers),
    },
    watch: (signal) => client.watch(link, signal),
    probe: (signal) => link.answers(signal),
    rttMs: () => link.rttMs,
    isUnanswered: () => link.isUnanswered,
  };
}

interface Met {
  readonly session: UdpSession;
  readonly setup: ServerSetup;
}

class UdpClient implements DatagramSink {
  readonly #stream: UdpConnection;
  readonly #o: UdpMeetingOptions;
  readonly #masks: HeadMasks;
  readonly #socket: UdpSocket;
  readonly #path: DatagramPath;
  readonly #identity: { readonly instance: Uint8Array; readonly session: Uint8Array };
  readonly #head: Head = { id: 0, phase: 0, counter: 0 };
  #handshake: UdpClientHandshake | null = null;
  #met: PromiseWithResolvers<Met> | null = null;
  #link: UdpLink | null = null;
  /** The number of the connection made last, and the secret of the session. */
  #carrier = 0;
  #resume: Uint8Array | undefined;

  constructor(stream: UdpConnection, datagrams: Datagrams, o: UdpMeetingOptions) {
    this.#stream = stream;
    this.#o = o;
    this.#masks = headMasks(o.secrets.s);
    this.#path = datagrams.pathTo(stream.remote);
    this.#identity = { instance: o.instance, session: o.secrets.rng(ID_SIZE) };
    this.#socket = new UdpSocket(datagrams, o);
    // The socket's end ends the attempt, or the link; whoever closed it knows why.
    this.#socket.run(this).catch((error) => this.#closed(error));
  }

  #closed(error: unknown): void {
    this.#met?.reject(error);
    this.#link?.fail(error);
  }

  /** Makes a connection, the first of the session or a later one. @throws as `connectUdp` */
  async meet(): Promise<Met> {
    const { device, identity, memory, secrets } = this.#o;
    const party = handshakeConfig(secrets, packetOffer(device.takes), {});
    const datagramId = randomId(secrets.rng);
    using handshake = new UdpClientHandshake({
      party: { ...party, offer: { ...party.offer, datagramId } },
      masks: this.#masks,
      sessionIdentity: {
        ...this.#identity,
        carrier: ++this.#carrier,
        ...(identity !== undefined && { identity }),
      },
      resume: this.#resume,
      unixMs: secrets.wallClock,
    });
    const met = this.#met = Promise.withResolvers<Met>();
    this.#handshake = handshake;
    const ended = new AbortController();
    try {
      const sending = this.#sendFlights(handshake, ended.signal);
      const { session, setup } = await Promise.race([met.promise, sending]);
      this.#resume ??= session.resume.slice();
      memory.reportV2();
      return { session, setup };
    } catch (thrown) {
      throw this.#explained(toTtunError(thrown));
    } finally {
      this.#handshake = this.#met = null;
      ended.abort();
      met.promise.catch(() => {}); // told by the race, or too late
    }
  }

  async #sendFlights(handshake: UdpClientHandshake, signal: AbortSignal): Promise<never> {
    const { clock } = this.#o;
    for (;;) {
      this.#sendDue(handshake);
      await sleep(clock, Math.max(1, handshake.nextAt - clock.now()), signal);
    }
  }

  #sendDue(handshake: UdpClientHandshake): void {
    const due = handshake.due(this.#o.clock.now());
    if (due === null) return;
    void this.#socket.send(due, due.length, this.#path); // sent again until it is answered
  }

  #explained(error: TtunError): TtunError {
    if (error.kind !== "timeout") return error;
    return new TtunError("timeout", `${error.message} (${this.#stream.peer})`, { cause: error });
  }

  begin(session: UdpSession): UdpLink {
    const { clock, device, secrets: { rng } } = this.#o;
    const link = new UdpLink(session, this.#path, {
      clock,
      rng,
      device,
      socket: this.#socket,
      roams: false,
      code: CloseCode.bye,
    });
    this.#stream.onEnd = () => link.end(CloseCode.bye, "");
    return this.#link = link;
  }

  datagram(bytes: Uint8Array, at: number, end: number, path: DatagramPath): void {
    const now = this.#o.clock.now();
    const handshake = this.#handshake;
    if (this.#link !== null && end - at > DATAGRAM_OVERHEAD) {
      this.#masks.server.read(bytes, at, end, this.#head);
      const { id } = this.#head;
      if (this.#link.receive(id, bytes, at, end, this.#head, path, now)) return;
    }
    if (handshake === null) return;
    try {
      const wasAnswered = handshake.isAnswered;
      const met = handshake.receive(bytes.slice(at, end));
      if (met !== null) return this.#met?.resolve(met);
      if (wasAnswered || !handshake.isAnswered) return;
      if (this.#o.proved?.() === false) {
        throw new TtunError("lost", "Another connection has been answered first");
      }
      this.#sendDue(handshake);
    } catch (error) {
      this.#met?.reject(error);
    }
  }

  flush(): boolean {
    const isMeeting = this.#met !== null;
    return this.#link?.flush() !== false && !isMeeting;
  }

  /** Keeps the link alive, and makes it new keys in time. @throws as `UdpLink.watch` */
  async watch(link: UdpLink, signal: AbortSignal): Promise<void> {
    const renewing = this.#renew(link, signal);
    await Promise.race([link.watch(signal), renewing]);
  }

  /** Another connection of the same session has new ids and keys. */
  async #renew(link: UdpLink, signal: AbortSignal): Promise<never> {
    const { clock, log, secrets: { rekey = DEFAULT_REKEY } } = this.#o;
    for (let notBefore = 0;;) {
      await sleep(clock, RENEW_LOOK_MS, signal);
      if (link.ageMs < rekey.ms || clock.now() < notBefore) continue;
      try {
        const { session } = await this.meet();
        link.add(session, this.#path);
        link.ping(); // the server sends by the new one once it has heard of it
        log.debug("new keys");
      } catch (error) {
        signal.throwIfAborted();
        log.warn(`the session has no new keys: ${toTtunError(error).message}`);
        notBefore = clock.now() + RENEW_AGAIN_MS;
      }
    }
  }
}
