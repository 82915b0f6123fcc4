import { formatAddr, type HostPort } from "../../base/addr.ts";
import { systemError } from "../deno_errors.ts";
import { EngineStream } from "./engine_stream.ts";
import type { FailureReason, QuicCommand, QuicEvent, QuicServerEnd } from "./messages.ts";

/** Milliseconds between packets that keep an idle connection, and the mappings of NATs on its way. */
const KEEP_ALIVE_MS = 10_000;
/** Milliseconds without a packet after which a connection is lost. */
const IDLE_MS = 30_000;
/** Milliseconds of a client for its handshake and its stream. */
const HANDSHAKE_MS = 10_000;
/** Handshakes of strangers at one time, and connections that nobody has taken yet. */
const MOST_HANDSHAKES = 256;
/** Milliseconds for what is on its way when all ends. */
const STOP_MS = 400;

const OPTIONS = {
  keepAliveInterval: KEEP_ALIVE_MS,
  maxIdleTimeout: IDLE_MS,
  maxConcurrentBidirectionalStreams: 1,
  maxConcurrentUnidirectionalStreams: 0,
} as const;

interface Listening {
  readonly listener: Deno.QuicListener;
  /** The name under which its socket is kept. */
  readonly address: string;
  readonly addr: HostPort;
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
  readonly #streams = new Map<number, EngineStream>();
  /** Dials that go on when they are told so, or not. */
  readonly #dials = new Map<number, { isGivenUp: boolean; go: (() => void) | null }>();
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

  #listen(id: number, { at, cert, key, alpn }: QuicServerEnd): void {
    try {
      const [socket, address] = this.#bind(at);
      const listener = socket.listen({ cert, key, alpnProtocols: [alpn], ...OPTIONS });
      const listening = { listener, address, addr: plain(socket.addr), handshakes: 0 };
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
      const streams = conn.incomingBidirectionalStreams.getReader();
      const { value: stream } = await streams.read();
      streams.cancel().catch(() => {}); // no more may come
      if (stream === undefined || !isOpen || !this.#listeners.has(listener)) return giveUp();
      const id = this.#lastId += 2;
      this.#begin(id, conn, stream);
      this.#send({ kind: "accepted", listener, id, local: listening.addr, remote });
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
    const state = { isGivenUp: false, go: null as (() => void) | null };
    this.#dials.set(id, state);
    let conn: Deno.QuicConn | null = null;
    const late = Promise.withResolvers<never>();
    late.promise.catch(() => {}); // it is raced against
    const timer = setTimeout(() => {
      state.isGivenUp = true;
      late.reject(new Late());
      conn?.close({ closeCode: 1, reason: "" });
    }, timeoutMs);
    try {
      const { to, serverName, caCerts, alpn } = target;
      const [endpoint] = this.#client(to);
      if (waits) {
        this.#send({ kind: "bound", id, port: endpoint.addr.port });
        await Promise.race([new Promise<void>((resolve) => state.go = resolve), late.promise]);
        if (state.isGivenUp) return; // it may have no mark
      }
      const connecting = Deno.connectQuic<false>({
        hostname: to.host,
        port: to.port,
        serverName,
        caCerts: [...caCerts],
        alpnProtocols: [alpn],
        endpoint,
        ...OPTIONS,
        maxConcurrentBidirectionalStreams: 0,
      });
      connecting.then((made) => {
        if (state.isGivenUp) made.close({ closeCode: 1, reason: "" });
      }, () => {}); // a failure is awaited below
      conn = await Promise.race([connecting, late.promise]);
      const stream = await Promise.race([conn.createBidirectionalStream(), late.promise]);
      if (state.isGivenUp) return conn.close({ closeCode: 1, reason: "" });
      this.#begin(id, conn, stream);
      this.#send({ kind: "connected", id, local: plain(endpoint.addr) });
    } catch (error) {
      state.isGivenUp = true;
      conn?.close({ closeCode: 1, reason: "" });
      this.#failed(id, error);
    } finally {
      clearTimeout(timer);
      this.#dials.delete(id);
    }
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

  #begin(id: number, conn: Deno.QuicConn, stream: Deno.QuicBidirectionalStream): void {
    const over = () => {
      this.#streams.delete(id);
      if (this.#streams.size === 0) this.#onIdle?.();
    };
    this.#streams.set(id, new EngineStream(id, conn, stream, this.#send, over));
  }

  #abort(id: number): void {
    const dial = this.#dials.get(id);
    if (dial !== undefined) dial.isGivenUp = true;
    dial?.go?.();
    this.#streams.get(id)?.abort();
  }

  #unlisten(id: number): void {
    this.#listeners.get(id)?.listener.stop();
    this.#listeners.delete(id);
  }

  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const id of [...this.#listeners.keys()]) this.#unlisten(id);
    for (const dial of this.#dials.values()) dial.isGivenUp = true;
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
