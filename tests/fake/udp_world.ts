import { makePackets, type Packets } from "../../src/contract/batch.ts";
import type { DatagramPath } from "../../src/contract/datagrams.ts";
import type { Rng } from "../../src/contract/host.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";
import { UdpAcceptor, type UdpClient } from "../../src/core/link/udp/acceptor.ts";
import { UdpCarrier } from "../../src/core/link/udp/carrier.ts";
import { UdpClientHandshake } from "../../src/core/link/udp/client_handshake.ts";
import { headMasks } from "../../src/core/link/udp/keys.ts";
import { PacketWriter } from "../../src/core/link/udp/packet_writer.ts";
import type { UdpSession } from "../../src/core/link/udp/session.ts";
import type { HandshakeConfig } from "../../src/core/link/v2/handshake.ts";
import { ReplayMemory } from "../../src/core/link/v2/replay_filter.ts";
import type { CipherName } from "../../src/contract/cipher.ts";
import { linkParty, OFFER, SECRET } from "./link_session.ts";
import { seededRng } from "./rng.ts";

export const SERVER = "192.0.2.1";
const PORT = 20203;

/** Each a share of the datagrams, and milliseconds. */
export interface WorldOptions {
  readonly seed?: number;
  readonly loss?: number;
  readonly duplicate?: number;
  readonly delayMs?: number;
  /** A datagram takes up to so much longer. */
  readonly jitterMs?: number;
  readonly cipher?: CipherName;
  readonly phaseDatagrams?: number;
  /** Secret of the server; absent = the client's. */
  readonly serverSecret?: Uint8Array;
}

/** A datagram on its way, by the addresses that it is seen with. */
export interface Flying {
  readonly bytes: Uint8Array;
  /** Of the client, whichever way it goes. */
  readonly client: string;
  readonly toServer: boolean;
  readonly at: number;
}

const ID_CLIENT = 0x00abcdef;

/** A client and a server of datagrams on a virtual clock, with a path that loses, doubles and mixes. */
export class UdpWorld {
  now = 0;
  /** The address of the client. */
  address = "198.51.100.7:1000";
  readonly acceptor: UdpAcceptor;
  handshake: UdpClientHandshake;
  client: UdpCarrier | null = null;
  server: UdpCarrier | null = null;
  /** Packets that came, in their order, as the bytes' first four say them. */
  readonly atServer: Uint8Array[] = [];
  readonly atClient: Uint8Array[] = [];
  /** All that was ever sent. */
  readonly sent: Flying[] = [];
  readonly stale: number[] = [];
  /** Called for a client that has proved the key; by default it is let in. */
  onClient: (client: UdpClient) => void = (client) => this.letIn(client);
  readonly #o: WorldOptions;
  readonly #rng: Rng;
  #flying: Flying[] = [];
  readonly #paths = new Map<string, DatagramPath>();

  constructor(o: WorldOptions = {}) {
    this.#o = o;
    this.#rng = seededRng(o.seed ?? 1);
    const serverParty = { ...this.#party(100, o.serverSecret ?? SECRET), offer: OFFER };
    this.acceptor = new UdpAcceptor([{ name: "", s: serverParty.s, party: () => serverParty }], {
      memory: new ReplayMemory(),
      rng: seededRng((o.seed ?? 1) + 5),
      groupOf: (host) => host,
    });
    this.handshake = this.#newHandshake();
  }

  #party(seed: number, s: Uint8Array): HandshakeConfig {
    const party = linkParty({ s }, seed + (this.#o.seed ?? 1));
    return {
      ...party,
      rng: seededRng(seed + 3 * (this.#o.seed ?? 1)),
      makeCipher: makePureCipher,
      ciphers: [this.#o.cipher ?? "chacha20-poly1305"],
    };
  }

  #newHandshake(): UdpClientHandshake {
    const party = this.#party(200, SECRET);
    const { phaseDatagrams } = this.#o;
    return new UdpClientHandshake({
      party: { ...party, offer: { ...OFFER, datagramId: ID_CLIENT } },
      masks: headMasks(SECRET),
      sessionIdentity: {
        instance: new Uint8Array(16).fill(1),
        session: new Uint8Array(16).fill(2),
        carrier: 1,
      },
      unixMs: () => 1_800_000_000_000 + this.now,
      ...(phaseDatagrams === undefined ? {} : { phaseDatagrams }),
    });
  }

  path(address: string): DatagramPath {
    let path = this.#paths.get(address);
    if (path === undefined) {
      const [host, port] = address.split(":");
      path = { remote: { host: host!, port: Number(port) }, local: SERVER };
      this.#paths.set(address, path);
    }
    return path;
  }

  /** Lets a client in, and has its packets noted. */
  letIn(client: UdpClient): void {
    const flight4 = client.accept(
      {},
      (session) => this.server = this.#carrier(session, client.path),
    );
    this.fly(flight4, addressOf(client.path), false);
  }

  #carrier(session: UdpSession, path: DatagramPath): UdpCarrier {
    const isServer = session.cipherReason === null;
    const noted = isServer ? this.atServer : this.atClient;
    return new UdpCarrier(session, this.now, {
      rng: this.#rng,
      path,
      sink: { packet: (bytes, at, length) => void noted.push(bytes.slice(at, at + length)) },
      roams: isServer,
      deadTimeMs: 15_000,
    });
  }

  /** Sends a datagram, which may get lost, come twice, or late. */
  fly(bytes: Uint8Array, client: string, toServer: boolean): void {
    const { loss = 0, duplicate = 0 } = this.#o;
    this.sent.push({ bytes, client, toServer, at: this.now });
    if (this.#chance() < loss) return;
    this.inject(bytes, client, toServer);
    if (this.#chance() < duplicate) this.inject(bytes, client, toServer);
  }

  /** Has a datagram arrive in any case. */
  inject(bytes: Uint8Array, client: string, toServer: boolean): void {
    const { delayMs = 20, jitterMs = 0 } = this.#o;
    const at = this.now + delayMs + this.#chance() * jitterMs;
    this.#flying.push({ bytes: bytes.slice(), client, toServer, at });
  }

  #chance(): number {
    const [a, b] = this.#rng(2);
    return (a! << 8 | b!) / 65_536;
  }

  /** Lets time pass; whatever is to be sent meanwhile is. @throws what a client's handshake throws */
  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      this.#act();
      const next = Math.min(
        ...this.#flying.map(({ at }) => at),
        this.client === null ? this.handshake.nextAt : Infinity,
        this.client?.keepAlive(this.now) ?? Infinity,
        this.server?.keepAlive(this.now) ?? Infinity,
      );
      this.#act();
      if (next > until) break;
      this.now = Math.max(this.now, next);
      const due = this.#flying.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at);
      this.#flying = this.#flying.filter(({ at }) => at > this.now);
      for (const one of due) this.#arrive(one);
      if (due.length === 0) this.now += 0.001;
    }
    this.now = until;
  }

  #act(): void {
    for (let due = null; this.client === null && (due = this.handshake.due(this.now)) !== null;) {
      this.fly(due, this.address, true);
    }
    for (const { bytes } of this.client?.takeOutgoing() ?? []) this.fly(bytes, this.address, true);
    for (const { bytes, path } of this.server?.takeOutgoing() ?? []) {
      this.fly(bytes, addressOf(path), false);
    }
  }

  #arrive({ bytes, client, toServer }: Flying): void {
    if (!toServer) {
      if (client === this.address) this.#arriveAtClient(bytes);
      return;
    }
    const times = { now: this.now, unixMs: 1_800_000_000_000 + this.now };
    const arrival = this.acceptor.receive(bytes, 0, bytes.length, this.path(client), times);
    if (arrival.kind === "answer") this.fly(arrival.bytes, client, false);
    if (arrival.kind === "client") this.onClient(arrival.client);
    if (arrival.kind === "stale") this.stale.push(arrival.skewSeconds);
  }

  #arriveAtClient(bytes: Uint8Array): void {
    const path = this.path(`${SERVER}:${PORT}`);
    if (this.client === null) {
      const done = this.handshake.receive(bytes);
      if (done !== null) this.client = this.#carrier(done.session, path);
      return;
    }
    const head = { id: 0, phase: 0, counter: 0 };
    headMasks(SECRET).server.read(bytes, 0, bytes.length, head);
    if (head.id === ID_CLIENT) {
      this.client.receive(bytes, 0, bytes.length, head, path, this.now);
    }
  }

  /** Connects, if it can be done in that time. */
  connect(ms = 20_000): void {
    for (let left = ms; this.client === null && left > 0; left -= 10) this.run(10);
    if (this.client === null || this.server === null) throw new Error("Not connected");
  }

  /** Sends packets from an end. */
  send(from: "client" | "server", packets: Packets, mostBytes = 1452, offload = 3): number {
    const carrier = this[from]!;
    const writer = new PacketWriter({ offload, mostBytes });
    return writer.write(packets, carrier, this.now, (bytes, segment) => {
      for (let at = 0; at < bytes.length; at += segment) {
        const one = bytes.slice(at, at + segment);
        const to = from === "client" ? this.address : addressOf(carrier.path);
        this.fly(one, to, from === "client");
      }
    });
  }
}

function addressOf({ remote }: DatagramPath): string {
  return `${remote.host}:${remote.port}`;
}

/** A batch of IP packets with these contents behind an IPv4 header. */
export function ipBatch(...contents: Uint8Array[]): Packets {
  const batch = makePackets(contents.reduce((sum, { length }) => sum + length + 40, 0));
  let at = 10;
  for (const content of contents) {
    batch.bytes[at] = 0x45;
    batch.bytes.set(content, at + 20);
    batch.offset[batch.count] = at;
    batch.length[batch.count++] = content.length + 20;
    at += content.length + 40;
  }
  return batch;
}
