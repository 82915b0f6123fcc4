import { formatAddr } from "../../../base/addr.ts";
import { constantTimeEqual } from "../../../base/bytes.ts";
import { TAG_SIZE } from "../../../contract/cipher.ts";
import type { DatagramPath } from "../../../contract/datagrams.ts";
import type { Rng } from "../../../contract/host.ts";
import type { HandshakeConfig } from "../v2/handshake.ts";
import { HELLO_SIZE, HelloReader } from "../v2/hello.ts";
import type { ReplayMemory } from "../v2/replay_filter.ts";
import type { ClientSetup, ServerSetup } from "../v2/setup.ts";
import { LEAST_FLIGHT_1, MOST_FLIGHT_1 } from "./client_handshake.ts";
import { DATAGRAM_OVERHEAD, type Head, randomId } from "./head.ts";
import { type HeadMasks, headMasks } from "./keys.ts";
import { UdpServerHandshake } from "./server_handshake.ts";
import type { UdpSession } from "./session.ts";

/** Handshakes under way at most; the oldest goes. */
const MOST_PENDING = 4096;

/** Clients that were refused, and may ask for the same answer again; the oldest goes. */
const MOST_REFUSED = 4096;

/** Milliseconds that a client has for its setup. */
const PENDING_MS = 10_000;

/** First datagrams that are looked at in a second, and at once: each costs a hash. */
const HELLOS_PER_SECOND = 20_000;
const HELLOS_AT_ONCE = 2000;

/** Takes the datagrams of one connection. */
export interface DatagramReceiver {
  /** Opens `bytes[at..end)` in place; false = it is not the peer's, or came before. */
  receive(
    bytes: Uint8Array,
    at: number,
    end: number,
    head: Head,
    path: DatagramPath,
    now: number,
  ): boolean;
}

/** A client that has proved the key, and waits to be let in. */
export interface UdpClient {
  readonly setup: ClientSetup;
  readonly path: DatagramPath;
  /** Of the key, where there are several. */
  readonly keyName: string;
  /** Tells whether it knows the secret of the session that it asks to go on with. */
  isResumed(secret: Uint8Array): boolean;
  /** Lets it in: flight 4 is to be sent to it. `make` gets its session, which is its own. */
  accept(
    setup: Omit<ServerSetup, "resume">,
    make: (session: UdpSession) => DatagramReceiver,
    resumed?: Uint8Array,
  ): Uint8Array;
  /** Returns flight 4, which refuses it. */
  refuse(code: number, words: string): Uint8Array;
  /** Forgets it without an answer. */
  drop(): void;
}

export type Arrival =
  /** Goes back by the path that the datagram came by. */
  | { readonly kind: "answer"; readonly bytes: Uint8Array }
  | { readonly kind: "client"; readonly client: UdpClient }
  /** A right hello whose time is stale. */
  | { readonly kind: "stale"; readonly skewSeconds: number }
  | { readonly kind: "taken" }
  | { readonly kind: "nothing" };

const NOTHING: Arrival = { kind: "nothing" };
const TAKEN: Arrival = { kind: "taken" };

export interface AcceptorKey {
  readonly name: string;
  /** The secret S, borrowed. */
  readonly s: Uint8Array;
  /** Called for each handshake; there is no id in its offer. */
  readonly party: () => HandshakeConfig;
}

interface KnownKey extends AcceptorKey {
  readonly masks: HeadMasks;
  readonly hellos: HelloReader;
}

interface Pending {
  readonly key: KnownKey;
  readonly handshake: UdpServerHandshake;
  /** The first 8 bytes of its hello, also with the key's name; and where it came from. */
  readonly hello: Uint8Array;
  readonly random: string;
  readonly from: string;
  readonly since: number;
}

interface Known {
  readonly key: KnownKey;
  pending: Pending | null;
  receiver: DatagramReceiver | null;
  /** The tag of flight 3, and its answer, until a later datagram has come. */
  repeated: { tag: Uint8Array; flight4: Uint8Array; from: string } | null;
}

/**
 * All that comes to a server's socket: datagrams of connections, and of clients that make one.
 * Whatever proves no key is answered by nothing, and costs a hash at most.
 */
export class UdpAcceptor {
  readonly #keys: KnownKey[];
  readonly #o: {
    readonly memory: ReplayMemory;
    readonly rng: Rng;
    readonly groupOf: (host: string) => string;
  };
  readonly #known = new Map<number, Known>();
  /** By the random part of the hello, in the order in which they came. */
  readonly #pending = new Map<string, Pending & { id: number }>();
  /** Clients that were refused, and may not have heard it. */
  readonly #refused: { id: number; since: number }[] = [];
  readonly #head: Head = { id: 0, phase: 0, counter: 0 };
  #hellosLeft = HELLOS_AT_ONCE;
  #hellosAt = 0;

  constructor(
    keys: readonly AcceptorKey[],
    o: { memory: ReplayMemory; rng: Rng; groupOf: (host: string) => string },
  ) {
    this.#keys = keys.map((key) => ({
      ...key,
      masks: headMasks(key.s),
      hellos: new HelloReader(key.s),
    }));
    this.#o = o;
  }

  /** Handshakes under way, and connections. */
  get size(): number {
    return this.#known.size;
  }

  /** Takes the datagram `bytes[at..end)`, which is overwritten if it is a connection's. */
  receive(
    bytes: Uint8Array,
    at: number,
    end: number,
    path: DatagramPath,
    { now, unixMs }: { now: number; unixMs: number },
  ): Arrival {
    if (end - at <= DATAGRAM_OVERHEAD) return NOTHING;
    const head = this.#head;
    for (const key of this.#keys) {
      key.masks.client.read(bytes, at, end, head);
      const known = this.#known.get(head.id);
      if (known === undefined || known.key !== key) continue;
      const arrival = this.#receiveKnown(known, bytes, at, end, path, { now, unixMs });
      if (arrival !== NOTHING) return arrival;
    }
    const size = end - at;
    if (size < LEAST_FLIGHT_1 || size > MOST_FLIGHT_1) return NOTHING;
    return this.#receiveHello(bytes.subarray(at, end), path, now, unixMs);
  }

  #receiveKnown(
    known: Known,
    bytes: Uint8Array,
    at: number,
    end: number,
    path: DatagramPath,
    { now, unixMs }: { now: number; unixMs: number },
  ): Arrival {
    const { receiver, pending, repeated } = known;
    const { id, counter } = this.#head;
    if (receiver?.receive(bytes, at, end, this.#head, path, now)) {
      known.repeated = null;
      return TAKEN;
    }
    if (pending === null) {
      if (repeated === null || counter !== 0) return NOTHING;
      const isSame = constantTimeEqual(repeated.tag, bytes.slice(end - TAG_SIZE, end)) &&
        repeated.from === formatAddr(path.remote);
      return isSame ? { kind: "answer", bytes: repeated.flight4 } : NOTHING;
    }
    // Flight 2 went to one address alone, and nobody else can answer it.
    if (pending.from !== formatAddr(path.remote)) return NOTHING;
    try {
      const setup = pending.handshake.receive(bytes.subarray(at, end), this.#head);
      if (setup === null) return NOTHING;
      const { memory, groupOf } = this.#o;
      memory.complete(pending.hello, unixMs, groupOf(path.remote.host), known.key.name);
      const tag = bytes.slice(end - TAG_SIZE, end);
      return { kind: "client", client: this.#client(known, pending, { id, setup, path, tag }) };
    } catch (error) {
      this.#forget(pending.random);
      throw error;
    }
  }

  #client(
    known: Known,
    pending: Pending,
    { id, setup, path, tag }: {
      id: number;
      setup: ClientSetup;
      path: DatagramPath;
      tag: Uint8Array;
    },
  ): UdpClient {
    const { handshake } = pending;
    this.#pending.delete(pending.random);
    const end = (flight4: Uint8Array) => {
      known.pending = null;
      known.repeated = { tag, flight4, from: pending.from };
      return flight4;
    };
    return {
      setup,
      path,
      keyName: known.key.name,
      isResumed: (secret) => handshake.isResumed(secret),
      accept: (serverSetup, make, resumed) => {
        const { flight4, session } = handshake.accept(serverSetup, resumed);
        known.receiver = make(session);
        return end(flight4);
      },
      refuse: (code, words) => {
        const flight4 = end(handshake.refuse(code, words));
        this.#refused.push({ id, since: pending.since });
        return flight4;
      },
      drop: () => {
        this.#known.delete(id);
        handshake[Symbol.dispose]();
      },
    };
  }

  #receiveHello(bytes: Uint8Array, path: DatagramPath, now: number, unixMs: number): Arrival {
    const left = this.#hellosLeft + (now - this.#hellosAt) * HELLOS_PER_SECOND / 1000;
    this.#hellosLeft = Math.min(HELLOS_AT_ONCE, left);
    this.#hellosAt = now;
    for (const key of this.#keys) {
      if (this.#hellosLeft < 1) return NOTHING;
      this.#hellosLeft--;
      const hello = key.hellos.read(bytes.subarray(0, HELLO_SIZE), unixMs);
      if (hello === null) continue;
      if (hello.isStale) return { kind: "stale", skewSeconds: hello.skewSeconds };
      return this.#answer(key, bytes, path, now, unixMs);
    }
    return NOTHING;
  }

  #answer(
    key: KnownKey,
    flight1: Uint8Array,
    path: DatagramPath,
    now: number,
    unixMs: number,
  ): Arrival {
    const r = flight1.slice(0, 8);
    const random = `${key.name} ${r.join()}`;
    const from = formatAddr(path.remote);
    const before = this.#pending.get(random);
    if (before !== undefined) {
      return before.from === from ? { kind: "answer", bytes: before.handshake.answer() } : NOTHING;
    }
    const { memory, groupOf } = this.#o;
    if (!memory.isNew(r, unixMs, groupOf(path.remote.host), key.name)) return NOTHING;
    this.#forgetOld(now);
    const id = this.#newId();
    const own = key.party();
    const party = { ...own, offer: { ...own.offer, datagramId: id } };
    const handshake = new UdpServerHandshake({ party, masks: key.masks, flight1, unixMs });
    const pending = { key, handshake, hello: r, random, from, since: now, id };
    this.#pending.set(random, pending);
    this.#known.set(id, { key, pending, receiver: null, repeated: null });
    return { kind: "answer", bytes: handshake.answer() };
  }

  #newId(): number {
    for (;;) {
      const id = randomId(this.#o.rng);
      if (!this.#known.has(id)) return id;
    }
  }

  #forgetOld(now: number): void {
    const refused = this.#refused;
    const isOver = () => refused.length > MOST_REFUSED || now - refused[0]!.since > 2 * PENDING_MS;
    while (refused.length > 0 && isOver()) this.#known.delete(refused.shift()!.id);
    for (const [random, { since }] of this.#pending) {
      if (now - since < PENDING_MS && this.#pending.size < MOST_PENDING) return;
      this.#forget(random);
    }
  }

  #forget(random: string): void {
    const pending = this.#pending.get(random);
    if (pending === undefined) return;
    this.#pending.delete(random);
    this.#known.delete(pending.id);
    pending.handshake[Symbol.dispose]();
  }

  /** Takes no more of a connection's datagrams. */
  end(id: number): void {
    this.#known.delete(id);
  }

  /** Overwrites the secrets of handshakes under way. */
  [Symbol.dispose](): void {
    for (const random of [...this.#pending.keys()]) this.#forget(random);
  }
}
