import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type HostPort, isIpAddress } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import {
  type DatagramPath,
  type Datagrams,
  type DatagramsOptions,
  type ReceivedDatagrams,
  TOO_LONG,
} from "../../contract/datagrams.ts";
import type { OnReady } from "../../contract/stream.ts";
import { Errno, type ErrnoName } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";
import { netError } from "./net_errors.ts";

/** Datagrams that wait for a reader; more are dropped, as a kernel's buffer does. */
const MOST_WAITING = 1024;

/** Bytes that the runtime holds and has not sent, beyond which there is no room. */
const MOST_UNSENT = 1 << 20;

/** The most that IPv4 takes in a datagram. */
const LONGEST = 65_507;

const IPV4_IN_IPV6 = "::ffff:";

/** Opens a socket of the runtime and waits until it is bound. @throws {TtunError} in_use, privilege, … */
export async function openNodeDatagrams(
  at: HostPort,
  o: Pick<DatagramsOptions, "signal">,
): Promise<Datagrams> {
  const datagrams = startNodeDatagrams(at, o);
  await datagrams.bound;
  return datagrams;
}

/**
 * Opens a socket of the runtime, for systems without native calls: one datagram a call, the system's
 * own choice of address and fragments, and nothing about congestion. It binds by itself, and is closed
 * with the reason if it cannot; what is sent before waits.
 */
export function startNodeDatagrams(
  at: HostPort,
  { signal }: Pick<DatagramsOptions, "signal">,
): NodeDatagrams {
  signal.throwIfAborted();
  return new NodeDatagrams(at, signal);
}

/** The runtime's errors of sockets have the name of the errno as their code. */
function nativeError(thrown: unknown): unknown {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" && code in Errno
    ? new NativeError("bind", Errno[code as ErrnoName])
    : thrown;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly from: RemoteInfo;
}

class NodeDatagrams implements Datagrams {
  /** Settles when the socket has its port, or cannot have it. */
  readonly bound: Promise<void>;
  readonly #at: HostPort;
  #port: number;
  readonly #socket: Socket;
  readonly #isIpv6: boolean;
  readonly #waiting: Waiting[] = [];
  readonly #registration: Disposable;
  readonly #queue: { bytes: Uint8Array; port: number; host: string }[] = [];
  #isBound = false;
  /** Busy until it is bound. */
  #isSending = true;
  #unsent = 0;
  #onReceivable: OnReady | null = null;
  #onSendable: OnReady | null = null;
  #closed: { reason: unknown } | null = null;

  constructor(at: HostPort, signal: AbortSignal) {
    const isAll = at.host === "" || at.host === "::";
    this.#at = at;
    this.#port = at.port;
    this.#isIpv6 = isAll || at.host.includes(":");
    const type = this.#isIpv6 ? "udp6" : "udp4";
    const socket = this.#socket = createSocket({ type, ipv6Only: this.#isIpv6 && !isAll });
    socket.on("message", (bytes, from) => this.#take(bytes, from));
    this.#registration = onAbort(signal, (reason) => this.#close(reason));
    this.bound = new Promise((resolve, reject) => {
      socket.on("error", (thrown) => {
        if (this.#isBound) return; // of one datagram, which is lost like others
        const error = netError(nativeError(thrown), "listen", at);
        reject(error);
        this.#isSending = false;
        this.#close(error);
      });
      socket.bind({ port: at.port, address: isAll ? "::" : at.host }, () => {
        this.#isBound = true;
        if (this.#closed === null) this.#port = socket.address().port;
        resolve();
        this.#sendNext();
      });
    });
    this.bound.catch(() => {}); // shows in the reader too
  }

  get addr(): HostPort {
    return { host: this.#at.host, port: this.#port };
  }

  #take(bytes: Uint8Array, from: RemoteInfo): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push({ bytes, from });
    const run = this.#onReceivable;
    this.#onReceivable = null;
    run?.();
  }

  pathTo(remote: HostPort): DatagramPath {
    if (!isIpAddress(remote.host)) {
      throw new TtunError("internal", `Cannot send to ${remote.host}: it is a name`);
    }
    return { remote, local: null };
  }

  sendNow(bytes: Uint8Array, segment: number, { remote }: DatagramPath): number {
    this.#check();
    if (Math.min(segment, bytes.length) > LONGEST) return TOO_LONG;
    // Whoever sends from port 0 expects no answer (RFC 768), and the runtime throws.
    if (remote.port === 0) return bytes.length;
    const host = this.#isIpv6 && !remote.host.includes(":")
      ? IPV4_IN_IPV6 + remote.host
      : remote.host;
    let sent = 0;
    while (sent < bytes.length && this.#unsent < MOST_UNSENT) {
      const one = bytes.slice(sent, sent + segment);
      this.#unsent += one.length;
      this.#queue.push({ bytes: one, port: remote.port, host });
      sent += one.length;
    }
    if (!this.#isSending) this.#sendNext();
    return sent;
  }

  /** One by one: the runtime may send two at once in any order. */
  #sendNext(): void {
    const next = this.#queue.shift();
    this.#isSending = next !== undefined;
    if (next === undefined) {
      if (this.#closed !== null) this.#socket.close();
      return;
    }
    this.#socket.send(next.bytes, next.port, next.host, () => this.#gone(next.bytes.length));
  }

  #gone(size: number): void {
    this.#unsent -= size;
    this.#sendNext();
    if (this.#onSendable === null || this.#unsent >= MOST_UNSENT) return;
    const run = this.#onSendable;
    this.#onSendable = null;
    run();
  }

  receiveNow(into: Uint8Array, got: ReceivedDatagrams): boolean {
    this.#check();
    const next = this.#waiting.shift();
    if (next === undefined) return false;
    got.size = got.segment = Math.min(next.bytes.length, into.length);
    into.set(next.bytes.subarray(0, got.size));
    got.ecn = 0;
    const { address, port } = next.from;
    const host = address.startsWith(IPV4_IN_IPV6) ? address.slice(IPV4_IN_IPV6.length) : address;
    const isSame = got.path.remote.port === port && got.path.remote.host === host;
    if (!isSame) got.path = { remote: { host, port }, local: null };
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

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    // Datagrams that wait are sent before.
    if (!this.#isSending) this.#socket.close();
    const waiting = [this.#onReceivable, this.#onSendable];
    this.#onReceivable = this.#onSendable = null;
    queueMicrotask(() => {
      for (const run of waiting) run?.();
    });
  }

  [Symbol.dispose](): void {
    this.#close(new TtunError("lost", "The socket was closed at this end"));
  }
}
