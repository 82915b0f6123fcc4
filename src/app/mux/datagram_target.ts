import { type HostPort, isIpAddress } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Target } from "../../base/target.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { ConnectedDatagrams, DatagramDialer } from "../../contract/names.ts";
import type { Acl } from "../../core/acl/acl.ts";
import { permittedAddresses } from "../net/permitted_addresses.ts";

/** Datagrams that wait while the target's name is resolved, and their bytes. */
const MOST_WAITING = 8;
const MOST_WAITING_BYTES = 16 * 1024;

/** Datagrams that are received in a row before others get a turn. */
const BUDGET = 64;

/** Destination of all datagrams that are received; they are copied at once. */
const SCRATCH = new Uint8Array(65_536);

export interface DatagramTargetOptions {
  readonly target: Target;
  readonly sockets: DatagramDialer;
  readonly resolver: Resolver;
  /** Null = all targets are allowed. */
  readonly rules: Acl | null;
  readonly clock: Clock;
  /** On whose behalf the name is asked for. */
  readonly owner: string;
  /** The socket lives under it. */
  readonly signal: AbortSignal;
  /** A datagram has come from the target; the bytes are lent for the call. */
  readonly received: (bytes: Uint8Array, from: HostPort) => void;
  /** There is no way to the target: its datagrams are dropped. */
  readonly failed: (error: unknown) => void;
  /** The socket has failed, as ICMP tells of: for a later datagram there must be another one. */
  readonly ended: () => void;
  /** Taken for the socket; given back with it. */
  readonly place: Disposable;
}

type Addresses = readonly string[];

/** Sends datagrams to one target, by a socket that the kernel lets nobody else's through. */
export class DatagramTarget implements Disposable {
  readonly #o: DatagramTargetOptions;
  #socket: ConnectedDatagrams | null = null;
  /** Null: the socket is there, or there will be none. */
  #waiting: Uint8Array[] | null = [];

  constructor(o: DatagramTargetOptions) {
    this.#o = o;
  }

  /** Judges the target, and opens the socket when its address is known. */
  open(): void {
    const { rules, target } = this.#o;
    try {
      const choose = rules === null ? (all: Addresses) => all : permittedAddresses(rules, target);
      if (isIpAddress(target.host)) this.#connect(choose([target.host]));
      else void this.#resolve(choose); // never rejects
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  async #resolve(choose: (all: Addresses) => Addresses): Promise<void> {
    const { resolver, target, signal, owner } = this.#o;
    try {
      this.#connect(choose(await resolver.resolve(target.host, { signal, owner })));
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  /** Takes the first address, as nothing tells which of them answers. */
  #connect([host]: Addresses): void {
    const { sockets, target: { port }, signal } = this.#o;
    const waiting = this.#waiting;
    if (signal.aborted || waiting === null) return;
    if (host === undefined) throw new TtunError("name", "its name has no address");
    const socket = this.#socket = sockets.connect({ host, port }, { signal });
    this.#waiting = null;
    socket.onReceivable(() => this.#receive(socket, { host, port }));
    for (const bytes of waiting) this.send(bytes);
  }

  #fail(thrown: unknown): void {
    if (this.#waiting === null || this.#o.signal.aborted) return;
    this.#waiting = null;
    this.#o.failed(thrown);
  }

  /** Sends a datagram; it is kept while the name is resolved, as far as there is room. */
  send(bytes: Uint8Array): void {
    if (this.#waiting !== null) return keep(this.#waiting, bytes);
    try {
      this.#socket?.send(bytes as Uint8Array<ArrayBuffer>);
    } catch {
      this.#end(); // a datagram may get lost
    }
  }

  #receive(socket: ConnectedDatagrams, from: HostPort): boolean {
    const { clock, received } = this.#o;
    const again = () => this.#receive(socket, from);
    try {
      for (let left = BUDGET; left > 0; left--) {
        const size = socket.receiveNow(SCRATCH);
        if (size === undefined) {
          socket.onReceivable(again);
          return true;
        }
        received(SCRATCH.subarray(0, size), from);
      }
      clock.onTurn(again);
    } catch {
      this.#end(); // the socket was closed, or ICMP told of a failure
    }
    return true;
  }

  #end(): void {
    if (this.#socket === null) return;
    this[Symbol.dispose]();
    this.#o.ended();
  }

  [Symbol.dispose](): void {
    this.#waiting = null;
    this.#socket?.[Symbol.dispose]();
    this.#socket = null;
    this.#o.place[Symbol.dispose]();
  }
}

function keep(waiting: Uint8Array[], bytes: Uint8Array): void {
  const kept = waiting.reduce((sum, { length }) => sum + length, 0);
  if (waiting.length >= MOST_WAITING || kept + bytes.length > MOST_WAITING_BYTES) return;
  waiting.push(new Uint8Array(bytes));
}
