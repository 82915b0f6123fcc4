import { constantTimeEqual, toHex } from "../../base/bytes.ts";
import type { Logger } from "../../base/log.ts";
import type { DatagramPath, Datagrams } from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import {
  type DatagramReceiver,
  UdpAcceptor,
  type UdpClient,
} from "../../core/link/udp/acceptor.ts";
import type { UdpSession } from "../../core/link/udp/session.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import type { PushedSettings } from "../../core/link/v2/pushed.ts";
import type { ReplayMemory } from "../../core/link/v2/replay_filter.ts";
import { Capability } from "../../core/link/v2/setup.ts";
import { addressGroup } from "../net/address_group.ts";
import { Stranger } from "../net/stranger.ts";
import { untilAborted } from "../net/watch_segments.ts";
import { setupFor } from "./accept_v2.ts";
import type { Candidate } from "./candidate.ts";
import { handshakeConfig, packetOffer, type WireSecrets } from "./config.ts";
import { UdpConnection } from "./udp_connection.ts";
import { UdpLink } from "./udp_link.ts";
import { type DatagramSink, UdpSocket } from "./udp_socket.ts";
import type { DeviceFacts } from "./v2_link.ts";

export interface UdpServerOptions {
  /** Borrowed. */
  readonly datagrams: Datagrams;
  readonly secrets: WireSecrets;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
  readonly device: DeviceFacts;
  /** Shared by all listeners of the server. */
  readonly replay: ReplayMemory;
  readonly pushed?: PushedSettings | undefined;
  /** A client has proved the key; the candidate is the callee's, and so is what stands for its way. */
  readonly serve: (stream: UdpConnection, candidate: Candidate) => void;
  readonly reject: (why: unknown, peer: string) => void;
}

interface Served {
  readonly link: UdpLink;
  readonly instance: Uint8Array;
  readonly resume: Uint8Array;
  carrier: number;
}

/** Serves the clients of one socket. */
export class UdpServer implements DatagramSink {
  readonly #o: UdpServerOptions;
  readonly #acceptor: UdpAcceptor;
  readonly #socket: UdpSocket;
  /** By the session's id in hex. */
  readonly #served = new Map<string, Served>();
  /** Links that have got something since the last flush. */
  readonly #touched = new Set<UdpLink>();

  constructor(o: UdpServerOptions) {
    this.#o = o;
    const { secrets, device, replay } = o;
    const party = () => handshakeConfig(secrets, packetOffer(device.takes), {});
    this.#acceptor = new UdpAcceptor([{ name: "", s: secrets.s, party }], {
      memory: replay,
      rng: secrets.rng,
      groupOf: (host) => addressGroup({ host, port: 0 }),
    });
    this.#socket = new UdpSocket(o.datagrams, o);
  }

  /** Runs until the signal aborts, or the socket is closed. @throws the reason */
  async run(signal: AbortSignal): Promise<never> {
    using _acceptor = this.#acceptor;
    return await Promise.race([this.#socket.run(this), untilAborted(signal)]);
  }

  datagram(bytes: Uint8Array, at: number, end: number, path: DatagramPath): void {
    const { clock, secrets, reject } = this.#o;
    try {
      const times = { now: clock.now(), unixMs: secrets.wallClock() };
      const arrival = this.#acceptor.receive(bytes, at, end, path, times);
      if (arrival.kind === "answer") this.#send(arrival.bytes, path);
      else if (arrival.kind === "client") this.#meet(arrival.client);
      else if (arrival.kind === "stale") {
        const { skewSeconds: skew } = arrival;
        const words = `its clock is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} ours`;
        reject(new Stranger(words), `${path.remote.host}:${path.remote.port}`);
      }
    } catch (error) {
      reject(error, `${path.remote.host}:${path.remote.port}`);
    }
  }

  #send(bytes: Uint8Array, path: DatagramPath): void {
    void this.#socket.send(bytes, bytes.length, path); // the client asks again for what gets lost
  }

  flush(): boolean {
    let isHandled = true;
    for (const link of this.#touched) if (!link.flush()) isHandled = false;
    this.#touched.clear();
    return isHandled;
  }

  /** A client has proved the key. */
  #meet(client: UdpClient): void {
    const { secrets, serve } = this.#o;
    const { setup, path } = client;
    const refuse = (code: number, words: string) => this.#send(client.refuse(code, words), path);
    const turnedAway = secrets.guard?.(setup.instance) ?? null;
    if (turnedAway !== null) return refuse(turnedAway.code, turnedAway.words);
    if (setup.resume !== undefined) {
      if (!this.#resume(client)) refuse(CloseCode.unknownSession, "unknown session");
      return;
    }
    if ((setup.capabilities & Capability.tun) === 0) {
      return refuse(CloseCode.notAllowed, "only packets of a device go over UDP");
    }
    const stream = new UdpConnection(path.remote);
    const onLink = (link: UdpLink) => {
      stream.onEnd = () => link.end(CloseCode.busy, "the server has ended this session");
    };
    serve(stream, this.#candidate(client, refuse, onLink));
  }

  #candidate(
    client: UdpClient,
    refuse: (code: number, words: string) => void,
    onLink: (link: UdpLink) => void,
  ): Candidate {
    const { setup, keyName } = client;
    let isAnswered = false;
    return {
      wire: "v2",
      key: keyName,
      instance: toHex(setup.instance),
      ...(setup.identity !== undefined && { identity: setup.identity }),
      admit: (addresses) => {
        isAnswered = true;
        const link = this.#begin(client, setupFor(addresses, this.#o.pushed));
        onLink(link);
        return Promise.resolve({
          wire: "v2",
          cipher: link.cipher,
          link,
          life: { activity: () => link.heard, probe: () => link.ping() },
          watch: (signal) => link.watch(signal),
          rttMs: () => link.rttMs,
        });
      },
      refuse: (words) => {
        isAnswered = true;
        refuse(CloseCode.busy, words);
        return Promise.resolve();
      },
      [Symbol.dispose]: () => {
        if (!isAnswered) client.drop();
      },
    };
  }

  /** Lets a client in, and answers it. */
  #begin(client: UdpClient, setup: Parameters<UdpClient["accept"]>[0]): UdpLink {
    const { clock, secrets: { rng }, device } = this.#o;
    const { path, setup: { session: id, instance, carrier } } = client;
    const key = toHex(id);
    const made: UdpLink[] = [];
    const flight4 = client.accept(setup, (session) => {
      const link = new UdpLink(session, path, {
        clock,
        rng,
        device,
        socket: this.#socket,
        roams: true,
        code: CloseCode.goingDown,
        onEnd: (ids, isOver) => {
          for (const id of ids) this.#acceptor.end(id);
          if (isOver) this.#forget(key, link);
        },
      });
      made.push(link);
      this.#served.set(key, { link, instance, resume: session.resume.slice(), carrier });
      return this.#touching(link, link.first);
    });
    this.#send(flight4, path);
    return made[0]!;
  }

  #forget(session: string, link: UdpLink): void {
    const served = this.#served.get(session);
    if (served?.link !== link) return; // its client has begun another one by that name
    served.resume.fill(0);
    this.#served.delete(session);
  }

  /** Goes on with a session by another connection; false = there is no such session. */
  #resume(client: UdpClient): boolean {
    const { setup, path } = client;
    const served = this.#served.get(toHex(setup.session));
    if (served === undefined || !constantTimeEqual(served.instance, setup.instance)) return false;
    if (setup.carrier <= served.carrier || !client.isResumed(served.resume)) return false;
    served.carrier = setup.carrier;
    const { link, resume } = served;
    const make = (session: UdpSession) => this.#touching(link, link.add(session, path));
    this.#send(client.accept({}, make, resume), path);
    return true;
  }

  /** Has the link flushed behind the datagrams that it gets. */
  #touching(link: UdpLink, receiver: DatagramReceiver): DatagramReceiver {
    return {
      receive: (...datagram) => {
        const isOpen = receiver.receive(...datagram);
        if (isOpen) this.#touched.add(link);
        return isOpen;
      },
    };
  }
}
