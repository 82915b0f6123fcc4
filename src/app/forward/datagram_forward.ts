import { formatAddr, type HostPort } from "../../base/addr.ts";
import type { BoundDatagrams, DatagramFlow, DatagramFlowEvents } from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import { runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Addresses of one socket that have a flow at the same time; the longest silent goes for another. */
export const MOST_SOURCES = 1024;

/** Datagrams in a row after which others get a turn. */
const BUDGET = 64;

/** Destination of all datagrams that are received; they are copied at once. */
const SCRATCH = new Uint8Array(65_536);

export interface DatagramForwardOptions {
  readonly socket: BoundDatagrams;
  /** Opens a flow for an address that has sent here; null = there can be none now. */
  readonly open: (from: HostPort, events: DatagramFlowEvents) => DatagramFlow | null;
  /** Target of all datagrams; null = the other end has one. */
  readonly to: HostPort | null;
  /** Milliseconds of silence after which a flow ends. */
  readonly idleMs: number;
  readonly clock: Clock;
}

/** Forwards datagrams of a socket: a flow for each source, and what it brings back to that source. */
export class DatagramForward implements Disposable {
  readonly #o: DatagramForwardOptions;
  /** By address; the longest silent first. */
  readonly #sources = new Map<string, Source>();
  #timer: Disposable | null = null;

  constructor(o: DatagramForwardOptions) {
    this.#o = o;
  }

  /** Runs until the socket is closed; throws the reason. */
  run(): Promise<never> {
    const { socket, clock } = this.#o;
    const onReady = (run: () => boolean | void) => socket.onReceivable(run);
    return runLoop<never>(
      { clock, budget: BUDGET, onReady },
      () => socket.receiveNow(SCRATCH, this.#take) ? 1 : WOULD_BLOCK,
    );
  }

  readonly #take = (size: number, from: HostPort): void => {
    const key = formatAddr(from);
    const source = this.#sources.get(key) ?? this.#newSource(key, from);
    if (source === null) return;
    this.#touch(key, source);
    source.flow.send(SCRATCH.subarray(0, size), this.#o.to);
  };

  #newSource(key: string, from: HostPort): Source | null {
    if (this.#sources.size >= MOST_SOURCES) {
      const [oldest] = this.#sources;
      this.#end(...oldest!);
    }
    const { socket, open } = this.#o;
    const flow = open(from, {
      received: (bytes) => {
        socket.sendTo(bytes, from);
        if (source !== null && this.#sources.get(key) === source) this.#touch(key, source);
      },
      ended: () => {
        if (this.#sources.get(key) === source) this.#sources.delete(key);
      },
    });
    const source: Source | null = flow === null ? null : { flow, last: 0 };
    return source;
  }

  #touch(key: string, source: Source): void {
    const { clock, idleMs } = this.#o;
    source.last = clock.now();
    this.#sources.delete(key);
    this.#sources.set(key, source);
    this.#timer ??= clock.after(idleMs, this.#endIdle);
  }

  readonly #endIdle = (): void => {
    const { clock, idleMs } = this.#o;
    const now = clock.now();
    this.#timer = null;
    for (const [key, source] of this.#sources) {
      const left = source.last + idleMs - now;
      if (left > 0) {
        this.#timer = clock.after(left, this.#endIdle);
        return;
      }
      this.#end(key, source);
    }
  };

  #end(key: string, { flow }: Source): void {
    this.#sources.delete(key);
    flow.end();
  }

  /** Ends all flows, not the socket. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
    for (const [key, source] of [...this.#sources]) this.#end(key, source);
  }
}

interface Source {
  readonly flow: DatagramFlow;
  /** Time of the last datagram, of either way. */
  last: number;
}
