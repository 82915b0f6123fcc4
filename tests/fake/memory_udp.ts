import { formatAddr, type HostPort } from "../../src/base/addr.ts";
import { TtunError } from "../../src/base/errors.ts";
import { onAbort } from "../../src/base/scope.ts";
import {
  type DatagramPath,
  type Datagrams,
  type OpenDatagrams,
  type ReceivedDatagrams,
  TOO_LONG,
} from "../../src/contract/datagrams.ts";
import type { OnReady } from "../../src/contract/stream.ts";

/** Datagrams that wait in a socket. */
const MOST_WAITING = 512;

const LONGEST = 65_507;

/** One datagram on its way. */
export interface OnWire {
  readonly bytes: Uint8Array;
  readonly from: HostPort;
  readonly to: HostPort;
  readonly ecn: number;
}

/**
 * A network for `Datagrams`: each one that is sent goes to `carry`, which passes it to `deliver` at
 * once, later, more than once, or never.
 */
export class MemoryUdp {
  readonly #sockets = new Map<string, MemorySocket>();
  readonly #carry: (datagram: OnWire) => void;
  #nextPort = 40_000;

  constructor(carry?: (datagram: OnWire) => void) {
    this.#carry = carry ?? ((datagram) => this.deliver(datagram));
  }

  deliver({ bytes, from, to, ecn }: OnWire): void {
    this.#sockets.get(formatAddr(to))?.take({ bytes, from, to, ecn });
  }

  /** Opens sockets on a host with that address. */
  on(host: string): OpenDatagrams {
    return (at, { signal }) => {
      signal.throwIfAborted();
      const addr = { host, port: at.port === 0 ? this.#nextPort++ : at.port };
      const key = formatAddr(addr);
      if (this.#sockets.has(key)) throw new TtunError("in_use", `Cannot listen on ${key}: taken`);
      const socket = new MemorySocket(addr, {
        send: (datagram) => this.#carry(datagram),
        closed: () => this.#sockets.delete(key),
      });
      this.#sockets.set(key, socket);
      onAbort(signal, (reason) => socket.close(reason));
      return socket;
    };
  }
}

class MemorySocket implements Datagrams {
  readonly addr: HostPort;
  readonly #wire: { send(datagram: OnWire): void; closed(): void };
  readonly #waiting: OnWire[] = [];
  #onReceivable: OnReady | null = null;
  #onSendable: OnReady | null = null;
  #closed: { reason: unknown } | null = null;

  constructor(addr: HostPort, wire: { send(datagram: OnWire): void; closed(): void }) {
    this.addr = addr;
    this.#wire = wire;
  }

  take(datagram: OnWire): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(datagram);
    const run = this.#onReceivable;
    this.#onReceivable = null;
    if (run !== null) queueMicrotask(() => void run());
  }

  pathTo(remote: HostPort): DatagramPath {
    return { remote, local: null };
  }

  sendNow(bytes: Uint8Array, segment: number, path: DatagramPath, ecn = 0): number {
    this.#check();
    if (Math.min(segment, bytes.length) > LONGEST) return TOO_LONG;
    for (let at = 0; at < bytes.length; at += segment) {
      const one = bytes.slice(at, at + segment);
      this.#wire.send({ bytes: one, from: this.addr, to: path.remote, ecn });
    }
    return bytes.length;
  }

  receiveNow(into: Uint8Array, got: ReceivedDatagrams): boolean {
    this.#check();
    const next = this.#waiting.shift();
    if (next === undefined) return false;
    got.size = got.segment = Math.min(next.bytes.length, into.length);
    into.set(next.bytes.subarray(0, got.size));
    got.ecn = next.ecn;
    const isSame = formatAddr(got.path.remote) === formatAddr(next.from);
    if (!isSame) got.path = { remote: next.from, local: next.to.host };
    return true;
  }

  onReceivable(run: OnReady): void {
    this.#check();
    this.#onReceivable = run;
  }

  onSendable(run: OnReady): void {
    this.#check();
    this.#onSendable = run;
  }

  #check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#wire.closed();
    const waiting = [this.#onReceivable, this.#onSendable];
    this.#onReceivable = this.#onSendable = null;
    queueMicrotask(() => waiting.forEach((run) => void run?.()));
  }

  [Symbol.dispose](): void {
    this.close(new TtunError("lost", "The socket was closed at this end"));
  }
}
