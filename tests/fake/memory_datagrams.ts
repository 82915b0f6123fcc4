import { formatAddr, type HostPort } from "../../src/base/addr.ts";
import { TtunError } from "../../src/base/errors.ts";
import { onAbort } from "../../src/base/scope.ts";
import type { BoundDatagrams, DatagramSockets } from "../../src/contract/datagrams.ts";
import type { OnReady } from "../../src/contract/stream.ts";

/** A network for datagrams, of which none is lost or reordered. */
export class MemoryDatagrams {
  readonly #sockets = new Map<string, Socket>();
  #nextPort = 50_000;

  /** Sockets that are open. */
  get open(): number {
    return this.#sockets.size;
  }

  /** The sockets of a host. */
  on(host: string): DatagramSockets {
    return {
      bind: (at, { signal }) => this.#add(at, null, signal),
      connect: (to, { signal }) => this.#add({ host, port: 0 }, to, signal),
      sourceOf: () => host,
    };
  }

  #add(at: HostPort, peer: HostPort | null, signal: AbortSignal): Socket {
    signal.throwIfAborted();
    const addr = { host: at.host, port: at.port === 0 ? this.#nextPort++ : at.port };
    const key = formatAddr(addr);
    if (this.#sockets.has(key)) throw new TtunError("in_use", `Cannot listen on ${key}: taken`);
    const socket = new Socket(addr, peer, {
      send: (bytes, to) => this.#sockets.get(formatAddr(to))?.deliver(bytes, addr),
      closed: () => this.#sockets.delete(key),
    });
    this.#sockets.set(key, socket);
    onAbort(signal, (reason) => socket.close(reason));
    return socket;
  }
}

interface Wire {
  send(bytes: Uint8Array, to: HostPort): void;
  closed(): void;
}

class Socket implements BoundDatagrams {
  readonly addr: HostPort;
  readonly #peer: HostPort | null;
  readonly #wire: Wire;
  readonly #queue: { bytes: Uint8Array; from: HostPort }[] = [];
  #waiting: OnReady | null = null;
  #closed: { reason: unknown } | null = null;

  constructor(addr: HostPort, peer: HostPort | null, wire: Wire) {
    this.addr = addr;
    this.#peer = peer;
    this.#wire = wire;
  }

  deliver(bytes: Uint8Array, from: HostPort): void {
    if (this.#peer !== null && formatAddr(from) !== formatAddr(this.#peer)) return;
    this.#queue.push({ bytes: bytes.slice(), from });
    this.#tell();
  }

  sendTo(bytes: Uint8Array, to: HostPort): void {
    if (this.#closed === null) this.#wire.send(bytes, to);
  }

  send(bytes: Uint8Array): void {
    this.sendTo(bytes, this.#peer!);
  }

  /** Both forms: of a connected socket, and of one that takes datagrams from anybody. */
  receiveNow(into: Uint8Array): number | undefined;
  receiveNow(into: Uint8Array, take: (size: number, from: HostPort) => void): boolean;
  receiveNow(
    into: Uint8Array,
    take?: (size: number, from: HostPort) => void,
  ): number | undefined | boolean {
    if (this.#closed !== null) throw this.#closed.reason;
    const next = this.#queue.shift();
    if (next === undefined) return take === undefined ? undefined : false;
    const size = Math.min(next.bytes.length, into.length);
    into.set(next.bytes.subarray(0, size));
    if (take === undefined) return size;
    take(size, next.from);
    return true;
  }

  onReceivable(run: OnReady): void {
    this.#waiting = run;
    if (this.#queue.length > 0 || this.#closed !== null) this.#tell();
  }

  #tell(): void {
    const run = this.#waiting;
    this.#waiting = null;
    if (run !== null) queueMicrotask(() => void run());
  }

  close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#wire.closed();
    this.#tell();
  }

  [Symbol.dispose](): void {
    this.close(new TtunError("lost", "The socket was closed at this end"));
  }
}

/** Calls `run` for each datagram, as text and as bytes, until the socket is closed. */
export function onEach(
  socket: BoundDatagrams,
  run: (text: string, from: HostPort, bytes: Uint8Array) => void,
): void {
  const into = new Uint8Array(65_536);
  const take = (size: number, from: HostPort) => {
    const bytes = into.slice(0, size);
    run(new TextDecoder().decode(bytes), from, bytes);
  };
  const receive = (): void => {
    try {
      while (socket.receiveNow(into, take));
      socket.onReceivable(receive);
    } catch {
      // it was closed
    }
  };
  receive();
}

/** Returns what comes, as `TEXT from HOST:PORT`. */
export function collect(socket: BoundDatagrams): string[] {
  const came: string[] = [];
  onEach(socket, (text, from) => void came.push(`${text} from ${formatAddr(from)}`));
  return came;
}
