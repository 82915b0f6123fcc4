import type { Addr, HostPort } from "../../src/base/addr.ts";
import { formatAddr } from "../../src/base/addr.ts";
import { TtunError, UnreachableError } from "../../src/base/errors.ts";
import { noAnswer } from "../../src/base/dial_timeout.ts";
import { onAbort } from "../../src/base/scope.ts";
import type { Clock } from "../../src/contract/host.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { ConnectionStats } from "../../src/contract/stats.ts";
import type { Dialer, DialOptions, Listener } from "../../src/contract/dial.ts";
import type { PacketWay } from "../../src/contract/packet_way.ts";
import type { OnReady } from "../../src/contract/stream.ts";
import { tell } from "../../src/app/net/dial_events.ts";
import { Cable, Gate, Pipe } from "./pipe.ts";

/** About what a socket takes before it makes its writer wait. */
const USUAL_CAPACITY = 256 * 1024;

/** Addresses for documentation (RFC 5737). */
const ADDRESS_A: HostPort = { host: "192.0.2.1", port: 20203 };
const ADDRESS_B: HostPort = { host: "192.0.2.2", port: 40000 };

interface PairOptions {
  /** Bytes that a direction holds before its writer has to wait. */
  capacity?: number;
  signalA?: AbortSignal;
  signalB?: AbortSignal;
  addressA?: Addr;
  addressB?: Addr;
  cables?: readonly Cable[];
}

/** Two ends of a connection that was never on a wire. */
export function memoryPair(o: PairOptions = {}): [Connection, Connection] {
  const [a, b] = makePair(o);
  if (o.signalA !== undefined) a.liveUnder(o.signalA);
  if (o.signalB !== undefined) b.liveUnder(o.signalB);
  return [a, b];
}

function makePair(o: PairOptions): [MemoryStream, MemoryStream] {
  const { capacity = USUAL_CAPACITY, cables = [] } = o;
  const { addressA = ADDRESS_A, addressB = ADDRESS_B } = o;
  const pipe = (from: () => MemoryStream, to: () => MemoryStream) =>
    new Pipe(capacity, cables, {
      arrived: () => to().wakeReader(),
      room: () => from().wakeWriter(),
      refused: () => from().receiveReset(),
    });
  const aToB = pipe(() => a, () => b);
  const bToA = pipe(() => b, () => a);
  const a: MemoryStream = new MemoryStream(addressA, addressB, aToB, bToA, () => b.receiveReset());
  const b: MemoryStream = new MemoryStream(addressB, addressA, bToA, aToB, () => a.receiveReset());
  return [a, b];
}

/** One end. What TCP does in the kernel happens here, at once. */
class MemoryStream implements Connection {
  packets?: PacketWay;
  readonly local: Addr;
  readonly remote: Addr;
  readonly #out: Pipe;
  readonly #in: Pipe;
  readonly #resetPeer: () => void;
  readonly #reader = new Gate();
  readonly #writer = new Gate();
  #registration: Disposable | null = null;
  #closed: { reason: unknown } | null = null;
  #resetByPeer = false;

  constructor(local: Addr, remote: Addr, out: Pipe, into: Pipe, resetPeer: () => void) {
    this.local = local;
    this.remote = remote;
    this.#out = out;
    this.#in = into;
    this.#resetPeer = resetPeer;
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  liveUnder(signal: AbortSignal): void {
    this.#registration = onAbort(signal, (reason) => this.#close(reason));
  }

  /** False when this end is no longer there to take what came. */
  wakeReader(): boolean {
    this.#reader.open();
    return this.#closed === null;
  }

  wakeWriter(): void {
    this.#writer.open();
  }

  receiveReset(): void {
    this.#resetByPeer = true;
    this.#reader.open();
    this.#writer.open();
  }

  onReadable(run: OnReady): void {
    this.#check();
    this.#reader.call(run);
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#check();
    const got = this.#in.pull(into);
    if (got > 0) return got;
    if (this.#in.endArrived) return null;
    if (this.#resetByPeer) throw this.#reset();
    return undefined;
  }

  get mayEnd(): boolean {
    return this.#in.endArrived || this.#resetByPeer;
  }

  writeNow(bytes: Uint8Array): number {
    this.#check();
    if (this.#resetByPeer) throw this.#reset();
    if (this.#out.finished) throw new TtunError("lost", "Cannot write: this end has sent its FIN");
    return this.#out.push(bytes);
  }

  onWritable(run: OnReady): void {
    this.#check();
    this.#writer.call(run);
    if (this.#resetByPeer) this.#writer.open(); // came within the write that left some
  }

  closeWrite(): void {
    this.#check();
    this.#out.finish();
  }

  reset(): void {
    this.#close(closedHere(), true);
  }

  stats(): ConnectionStats {
    if (this.#closed !== null) return { protocol: "memory", peerClosed: true };
    return {
      protocol: "memory",
      acked: this.#out.delivered,
      received: this.#in.delivered,
      isDelivered: this.#out.isDelivered,
      peerClosed: this.#in.endArrived || this.#resetByPeer,
      isGone: this.#resetByPeer,
    };
  }

  get congestion(): string {
    return "";
  }

  setOptions(): string[] {
    this.#check();
    return []; // no packets, so nothing to set
  }

  #check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  #close(reason: unknown, abruptly = false): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration?.[Symbol.dispose]();
    // A close before everything was read sends RST, as TCP does (RFC 2525 section 2.17).
    if (!abruptly && this.#in.unread === 0) this.#out.finish();
    else if (this.#out.plugged) this.#resetPeer();
    this.#reader.open();
    this.#writer.open();
  }

  #reset(): TtunError {
    return new TtunError("lost", `Lost the connection with ${formatAddr(this.remote)}: reset`);
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(closedHere());
  }
}

function closedHere(): TtunError {
  return new TtunError("lost", "Cannot go on: the connection was closed at this end");
}

/** Hosts with cables, on which programs listen and dial. */
export class MemoryNet {
  readonly #capacity: number;
  readonly #clock: Clock | null;
  readonly #listeners = new Set<MemoryListener>();
  readonly #cables = new Map<string, Cable>();
  #nextPort = 40000;
  /** Makes both ends of packets beside each connection that comes about; null = there are none. */
  packets: (() => [PacketWay, PacketWay]) | null = null;

  /** `clock`: for dials that have a time. */
  constructor(o: { capacity?: number; clock?: Clock } = {}) {
    this.#capacity = o.capacity ?? USUAL_CAPACITY;
    this.#clock = o.clock ?? null;
  }

  /** Cable that joins a host to all others. */
  cable(host: string): Cable {
    const cable = this.#cables.get(host) ?? new Cable();
    this.#cables.set(host, cable);
    return cable;
  }

  /** Dials as `host`. */
  dialer(host = "192.0.2.2"): Dialer {
    return { start: (to, o, events) => tell(events, this.#dialInTime(host, to, o)) };
  }

  async #dialInTime(
    from: string,
    to: Addr,
    { signal, cancel = signal, timeoutMs }: DialOptions,
  ): Promise<Connection> {
    const late = new AbortController();
    const end = (reason: unknown) => late.abort(reason);
    using _timer = timeoutMs === undefined
      ? null
      : this.#clock?.after(timeoutMs, () => end(noAnswer(to, timeoutMs)));
    using _life = onAbort(signal, end);
    using _attempt = onAbort(cancel, end);
    return await this.#dial(from, to, late.signal, signal);
  }

  /** `life`: what the stream lives under. */
  async #dial(
    from: string,
    to: Addr,
    signal: AbortSignal,
    life: AbortSignal,
  ): Promise<Connection> {
    signal.throwIfAborted();
    if ("path" in to) throw new TtunError("system", "Cannot dial a path here");
    const cables = [this.cable(from), this.cable(to.host)];
    for (const cable of cables) await pluggedIn(cable, signal);
    signal.throwIfAborted();
    const listener = this.#find(to);
    if (listener === undefined) {
      throw new UnreachableError("refused", `Cannot connect to ${formatAddr(to)}: refused`);
    }
    const [near, far] = makePair({
      capacity: this.#capacity,
      addressA: { host: from, port: this.#nextPort++ },
      addressB: to,
      cables,
    });
    if (this.packets !== null) [near.packets, far.packets] = this.packets();
    near.liveUnder(life);
    listener.queue(far);
    return near;
  }

  /** Host "" listens on all addresses, port 0 on a free one. */
  listen(at: HostPort, o: { signal: AbortSignal }): Listener {
    o.signal.throwIfAborted();
    const addr = at.port === 0 ? { ...at, port: this.#nextPort++ } : at;
    if (this.#find(addr) !== undefined) {
      throw new TtunError("in_use", `Cannot listen on ${formatAddr(addr)}: it is taken`);
    }
    const listener = new MemoryListener(addr, o.signal, () => this.#listeners.delete(listener));
    this.#listeners.add(listener);
    return listener;
  }

  #find(to: HostPort): MemoryListener | undefined {
    const fits = ({ addr }: MemoryListener) =>
      addr.port === to.port && (addr.host === to.host || addr.host === "");
    return [...this.#listeners].find(fits);
  }
}

async function pluggedIn(cable: Cable, signal: AbortSignal): Promise<void> {
  if (cable.plugged) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using _plug = cable.onPlug(resolve);
  using _registration = onAbort(signal, reject);
  await promise;
}

class MemoryListener implements Listener {
  readonly addr: HostPort;
  readonly #forget: () => void;
  readonly #registration: Disposable;
  readonly #queue: MemoryStream[] = [];
  readonly #acceptor = new Gate();
  #closed: { reason: unknown } | null = null;

  constructor(addr: HostPort, signal: AbortSignal, forget: () => void) {
    this.addr = addr;
    this.#forget = forget;
    this.#registration = onAbort(signal, (reason) => this.#close(reason));
  }

  queue(stream: MemoryStream): void {
    this.#queue.push(stream);
    this.#acceptor.open();
  }

  onAcceptable(run: OnReady): void {
    if (this.#closed !== null) throw this.#closed.reason;
    this.#acceptor.call(run);
  }

  acceptNow({ signal }: { signal: AbortSignal }): Connection | null {
    if (this.#closed !== null) throw this.#closed.reason;
    signal.throwIfAborted();
    const stream = this.#queue.shift();
    stream?.liveUnder(signal);
    return stream ?? null;
  }

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    this.#forget();
    for (const stream of this.#queue.splice(0)) stream.reset();
    this.#acceptor.open();
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", "Cannot accept: the listener has been closed"));
  }
}
