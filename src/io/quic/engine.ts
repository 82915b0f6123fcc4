import { formatAddr, type HostPort } from "../../base/addr.ts";
import { systemError } from "../deno_errors.ts";
import { EngineConnection } from "./engine_connection.ts";
import { EnginePlain } from "./engine_plain.ts";
import type { EngineStream } from "./engine_stream.ts";
import { KEEP_ALIVE_MS, SILENCE_MS } from "./liveness.ts";
import type {
  FailureReason,
  PlainStreams,
  QuicCommand,
  QuicEvent,
  QuicServerEnd,
} from "./messages.ts";
import type { PlainStream } from "./plain_stream.ts";

/** Milliseconds of a client for its handshake and its stream. */
const HANDSHAKE_MS = 10_000;
/** Handshakes of strangers at one time, and connections that nobody has taken yet. */
const MOST_HANDSHAKES = 256;
/** Milliseconds for what is on its way when all ends. */
const STOP_MS = 400;

/** Sockets that were closed to end a dial, and that the garbage collection has not closed yet. */
const MOST_CLOSED = 8;

const OPTIONS = {
  keepAliveInterval: KEEP_ALIVE_MS,
  maxIdleTimeout: SILENCE_MS,
  maxConcurrentUnidirectionalStreams: 0,
} as const;

interface Dialling {
  conn: Deno.QuicConn | null;
  isGivenUp: boolean;
  /** Lets it go on that waits. */
  go: (() => void) | null;
  readonly late: PromiseWithResolvers<never>;
  /** The name under which its socket is kept. */
  socket: string;
}

interface Listening {
  readonly listener: Deno.QuicListener;
  /** The name under which its socket is kept. */
  readonly address: string;
  readonly addr: HostPort;
  readonly plain: PlainStreams | undefined;
  handshakes: number;
}

/**
 * QUIC by Deno, whose event loop must run in this thread; what it does for another one goes by
 * commands and events. It has one socket for all dials of an address family. A socket of Deno's is
 * closed by its garbage collection alone, so that one is kept, and listened on again.
 */
export class QuicEngine {
  readonly #send: (event: QuicEvent) => void;
  readonly #sockets = new Map<string, Deno.QuicEndpoint>();
  readonly #listeners = new Map<number, Listening>();
  readonly #streams = new Map<number, EngineStream | PlainStream>();
  /** Connections of plain streams. */
  readonly #plain = new Map<number, EnginePlain>();
  /** The connections of streams. */
  readonly #connections = new Map<number, EngineConnection>();
  readonly #dials = new Map<number, Dialling>();
  /** Connections of a socket of dials. */
  readonly #users = new Map<string, number>();
  #closed = 0;
  readonly #collected = new FinalizationRegistry(() => this.#closed--);
  #lastId = 1;
  #isStopped = false;
  #onIdle: (() => void) | null = null;

  constructor(send: (event: QuicEvent) => void) {
    this.#send = send;
  }

  take(command: QuicCommand): void {
    switch (command.kind) {
      case "listen":
        return this.#listen(command.id, command.end);
      case "unlisten":
        return this.#unlisten(command.id);
      case "dial":
        return void this.#dial(command); // a failure is an event
      case "go":
        return this.#dials.get(command.id)?.go?.();
      case "take":
        return this.#streams.get(command.id)?.take(command.incoming, command.outgoing);
      case "open":
        return this.#open(command.id, command.beside);
      case "packets":
        return void this.#connections.get(command.id)?.packets.send(command.packets); // never rejects
      case "packets_taken":
        return this.#connections.get(command.id)?.packets.taken();
      case "send":
        return this.#streams.get(command.id)?.send(command.bytes);
      case "end":
        return this.#streams.get(command.id)?.end();
      case "read":
        return this.#streams.get(command.id)?.read(command.bytes);
      case "close":
        return this.#streams.get(command.id)?.close();
      case "abort":
        return this.#abort(command.id);
      case "stop":
        return void this.#stop(); // it never rejects
      default:
        command satisfies never;
    }
  }

  #listen(id: number, { at, cert, key, protocol }: QuicServerEnd): void {
    try {
      const [socket, address] = this.#bind(at);
      const listener = socket.listen({
        cert,
        key,
        alpnProtocols: [protocol.alpn],
        ...(protocol.plain === undefined
          ? { ...OPTIONS, maxConcurrentBidirectionalStreams: 1 + protocol.beside }
          : plainOptions(protocol.plain)),
      });
      const addr = plain(socket.addr);
      const listening = { listener, address, addr, plain: protocol.plain, handshakes: 0 };
      this.#listeners.set(id, listening);
      this.#send({ kind: "listening", id, addr: listening.addr });
      void this.#acceptAll(id, listening); // it never rejects
    } catch (error) {
      this.#failed(id, error);
    }
  }

  /** Returns the socket and the name under which it is kept. */
  #bind(at: HostPort): [Deno.QuicEndpoint, string] {
    const host = at.host === "" ? "::" : at.host;
    const wanted = formatAddr({ host, port: at.port });
    const kept = this.#sockets.get(wanted);
    const isTaken = [...this.#listeners.values()].some(({ address }) => address === wanted);
    if (kept !== undefined && !isTaken) return [kept, wanted];
    let socket: Deno.QuicEndpoint;
    try {
      socket = new Deno.QuicEndpoint({ hostname: host, port: at.port });
    } catch (error) {
      const hasNoIpv6 = at.host === "" &&
        systemError(error, "bind")?.is("EAFNOSUPPORT", "EADDRNOTAVAIL") === true;
      if (!hasNoIpv6) throw error;
      socket = new Deno.QuicEndpoint({ hostname: "0.0.0.0", port: at.port });
    }
    const address = formatAddr({ host, port: socket.addr.port });
    this.#sockets.set(address, socket);
    return [socket, address];
  }

  async #acceptAll(id: number, listening: Listening): Promise<void> {
    try {
      for (;;) {
        const incoming = await listening.listener.incoming();
        if (listening.handshakes >= MOST_HANDSHAKES) incoming.ignore();
        else void this.#accept(id, incoming, listening); // it never rejects
      }
    } catch {
      // The listener is closed.
    }
  }

  async #accept(
    listener: number,
    incoming: Deno.QuicIncoming,
    listening: Listening,
  ): Promise<void> {
    listening.handshakes++;
    let conn: Deno.QuicConn | null = null;
    let peer = "?";
    let isOpen = true;
    const giveUp = () => {
      isOpen = false;
      conn?.close({ closeCode: 1, reason: "" });
    };
    const timer = setTimeout(giveUp, HANDSHAKE_MS);
    try {
      conn = await incoming.accept(); // it must be the first that is done with it
      const remote = plain(conn.remoteAddr);
      peer = formatAddr(remote);
      if (!isOpen) return giveUp();
      if (listening.plain !== undefined) {
        return this.#beginPlain(listener, conn, listening.plain, { local: listening.addr, remote });
      }
      const streams = conn.incomingBidirectionalStreams.getReader();
      const { value: stream } = await streams.read();
      if (stream === undefined || !isOpen || !this.#listeners.has(listener)) return giveUp();
      const id = this.#nextId();
      const { mostPacket } = this.#begin(id, conn, stream, streams, () => {});
      this.#send({ kind: "accepted", listener, id, local: listening.addr, remote, mostPacket });
    } catch (error) {
      giveUp();
      this.#send({ kind: "refused", listener, peer, words: wordsOf(error) });
    } finally {
      clearTimeout(timer);
      listening.handshakes--;
    }
  }

  async #dial(
    { id, target, timeoutMs, waits }: Extract<QuicCommand, { readonly kind: "dial" }>,
  ): Promise<void> {
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {}); // it is raced against
    const state: Dialling = { conn: null, isGivenUp: false, go: null, late, socket: "" };
    this.#dials.set(id, state);
    const timer = setTimeout(() => this.#giveUp(id), timeoutMs);
    try {
      const { to, serverName, caCerts, protocol } = target;
      const [endpoint, socket] = this.#client(to);
      state.socket = socket;
      if (waits) {
        this.#send({ kind: "bound", id, port: endpoint.addr.port });
        await Promise.race([new Promise<void>((resolve) => state.go = resolve), late.promise]);
        if (state.isGivenUp) throw new Late(); // it may have no mark
      }
      const connecting = Deno.connectQuic<false>({
        hostname: to.host,
        port: to.port,
        serverName,
        caCerts: [...caCerts],
        alpnProtocols: [protocol.alpn],
        endpoint,
        ...OPTIONS,
        maxConcurrentBidirectionalStreams: protocol.beside,
      });
      connecting.then((made) => {
        if (state.isGivenUp) made.close({ closeCode: 1, reason: "" });
      }, () => {}); // a failure is awaited below
      const conn = state.conn = await Promise.race([connecting, late.promise]);
      const stream = await Promise.race([conn.createBidirectionalStream(), late.promise]);
      if (state.isGivenUp) throw new Late();
      const streams = conn.incomingBidirectionalStreams.getReader();
      const { mostPacket } = this.#begin(id, conn, stream, streams, this.#use(socket));
      this.#send({ kind: "connected", id, local: plain(endpoint.addr), mostPacket });
    } catch (error) {
      state.conn?.close({ closeCode: 1, reason: "" });
      this.#failed(id, error);
    }
    clearTimeout(timer);
    this.#dials.delete(id);
  }

  /** Returns false if there is no such dial. */
  #giveUp(id: number): boolean {
    const dial = this.#dials.get(id);
    if (dial === undefined) return false;
    this.#dials.delete(id);
    dial.isGivenUp = true;
    dial.late.reject(new Late());
    if (dial.conn === null) this.#closeUnused(dial.socket);
    return true;
  }

  /** Counts a connection of a socket of dials; returns what is to be called at its end. */
  #use(socket: string): () => void {
    this.#users.set(socket, (this.#users.get(socket) ?? 0) + 1);
    return () => this.#users.set(socket, this.#users.get(socket)! - 1);
  }

  /**
   * Ends a dial that was given up, and whose packets go on until the silence is long enough: Deno ends
   * it with its socket alone. That goes where nothing else is on the socket, and the number of those
   * that are closed, but still have a descriptor, is limited.
   */
  #closeUnused(name: string): void {
    const socket = this.#sockets.get(name);
    if (socket === undefined || this.#closed >= MOST_CLOSED || (this.#users.get(name) ?? 0) > 0) {
      return;
    }
    if ([...this.#dials.values()].some((dial) => dial.socket === name)) return;
    this.#sockets.delete(name);
    this.#closed++;
    this.#collected.register(socket, null);
    socket.close({ closeCode: 1, reason: "" });
  }

  /** Returns the socket of all dials to addresses of such a family. */
  #client({ host }: HostPort): [Deno.QuicEndpoint, string] {
    const family = host.includes(":") ? "::" : "0.0.0.0";
    const name = `client ${family}`;
    const kept = this.#sockets.get(name);
    if (kept !== undefined) return [kept, name];
    const socket = new Deno.QuicEndpoint({ hostname: family, port: 0 });
    this.#sockets.set(name, socket);
    return [socket, name];
  }

  #begin(
    id: number,
    conn: Deno.QuicConn,
    stream: Deno.QuicBidirectionalStream,
    streams: ReadableStreamDefaultReader<Deno.QuicBidirectionalStream>,
    ended: () => void,
  ): EngineConnection {
    const connection = new EngineConnection(id, conn, {
      tell: this.#send,
      nextId: () => this.#nextId(),
      began: (id, stream, connection) => {
        this.#streams.set(id, stream);
        this.#connections.set(id, connection);
      },
      over: (over) => {
        if (over === id) ended();
        this.#streams.delete(over);
        this.#connections.delete(over);
        if (this.#streams.size === 0) this.#onIdle?.();
      },
    });
    connection.begin(stream, streams);
    return connection;
  }

  #beginPlain(
    listener: number,
    conn: Deno.QuicConn,
    streams: PlainStreams,
    ends: { readonly local: HostPort; readonly remote: HostPort },
  ): void {
    const id = this.#nextId();
    this.#send({ kind: "plain", listener, id, ...ends });
    const connection = new EnginePlain(id, conn, streams, {
      tell: this.#send,
      nextId: () => this.#nextId(),
      began: (id, stream) => this.#streams.set(id, stream),
      over: (over) => {
        this.#streams.delete(over);
        if (this.#streams.size === 0) this.#onIdle?.();
      },
      ended: () => this.#plain.delete(id),
    });
    this.#plain.set(id, connection);
  }

  #nextId(): number {
    return this.#lastId += 2;
  }

  #open(id: number, beside: number): void {
    const connection = this.#connections.get(beside);
    if (connection !== undefined) return void connection.open(id); // never rejects
    this.#send({ kind: "failed", id, reason: "other", words: "it has ended", code: null });
  }

  #abort(id: number): void {
    if (!this.#giveUp(id)) (this.#streams.get(id) ?? this.#plain.get(id))?.abort();
  }

  #unlisten(id: number): void {
    this.#listeners.get(id)?.listener.stop();
    this.#listeners.delete(id);
  }

  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const id of [...this.#listeners.keys()]) this.#unlisten(id);
    for (const id of [...this.#dials.keys()]) this.#giveUp(id);
    for (const stream of this.#streams.values()) stream.close();
    if (this.#streams.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, STOP_MS);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const stream of [...this.#streams.values()]) stream.abort();
    for (const connection of [...this.#plain.values()]) connection.abort();
    for (const socket of this.#sockets.values()) socket.close({ closeCode: 0, reason: "" });
    this.#sockets.clear();
    this.#send({ kind: "stopped" });
  }

  #failed(id: number, error: unknown): void {
    const native = systemError(error, "bind");
    const code = native === null || !(error instanceof Error) || !("code" in error)
      ? null
      : String(error.code);
    const reason: FailureReason = error instanceof Late || /timed out/.test(wordsOf(error))
      ? "timeout"
      : code === "EADDRINUSE"
      ? "in_use"
      : reasonIn(wordsOf(error));
    this.#send({ kind: "failed", id, reason, words: wordsOf(error), code });
  }
}

class Late extends Error {}

/** Nothing keeps such a connection but its streams: a client that goes on opens another one. */
function plainOptions({ most, mostOneWay, idleMs }: PlainStreams): Deno.QuicTransportOptions {
  return {
    maxIdleTimeout: idleMs,
    maxConcurrentBidirectionalStreams: most,
    maxConcurrentUnidirectionalStreams: mostOneWay,
  };
}

/** Deno gives quinn's words alone. */
function reasonIn(words: string): FailureReason {
  if (/invalid peer certificate/.test(words)) return "certificate";
  return /refused|aborted by peer|reset by peer/.test(words) ? "refused" : "other";
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function plain({ hostname, port }: Deno.NetAddr): HostPort {
  return { host: unmapped(hostname), port };
}

function unmapped(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.)/i, "");
}
