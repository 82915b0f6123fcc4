import { formatIp, formatIpv4At, type HostPort, ipBytes } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import {
  type DatagramPath,
  type Datagrams,
  type DatagramsOptions,
  type ReceivedDatagrams,
  TOO_LONG,
} from "../../contract/datagrams.ts";
import type { OnReady } from "../../contract/stream.ts";
import { bindDatagrams, type BoundSocket } from "../../../ffi/linux/datagrams.ts";
import {
  type DatagramMessage,
  messageOf,
  sockaddrSize,
} from "../../../ffi/linux/datagram_message.ts";
import { setDatagramOptions } from "../../../ffi/linux/datagram_options.ts";
import { WATCH_INPUT } from "../../../ffi/linux/epoll.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { SOCKADDR_ROOM, unpackSockaddr, writeSockaddr } from "../../../ffi/linux/sockaddr.ts";
import { guarded, localAddr } from "../../../ffi/linux/socket.ts";
import { setMark } from "../../../ffi/linux/socket_options.ts";
import { NativeError } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { netError } from "./net_errors.ts";

/** Datagrams that the kernel cuts from one call (UDP_MAX_SEGMENTS of older kernels), and their bytes. */
const MOST_SEGMENTS = 64;
const MOST_BYTES = 65_507;

/** Paths whose objects are kept, by a hash of their addresses. */
const KEPT_PATHS = 256;

const NO_ADDRESS = new Uint8Array();

/** To be called while there is the permission for native calls: sockets may be opened later. */
export function prepareDatagrams({ libc }: Reactor): void {
  messageOf(libc);
}

/** Opens a socket on the reactor. @throws {TtunError} in_use, privilege, usage, exhausted */
export function openBatchedDatagrams(
  reactor: Reactor,
  at: HostPort,
  { signal, mark, onDegraded = () => {} }: DatagramsOptions,
): Datagrams {
  signal.throwIfAborted();
  try {
    const { libc } = reactor;
    const message = messageOf(libc);
    const socket = bindDatagrams(libc, at);
    guarded(libc, socket.fd, () => {
      if (mark !== undefined) setMark(libc, socket.fd, mark);
      const unset = setDatagramOptions(libc, socket.fd, socket.isIpv6);
      if (unset.length > 0) onDegraded(`this kernel does not have ${unset.join(", ")}`);
    });
    const descriptor = reactor.own(socket.fd, signal, WATCH_INPUT);
    return new BatchedDatagrams(libc, descriptor, { socket, at, message, onDegraded });
  } catch (thrown) {
    throw netError(thrown, "listen", at);
  }
}

/** A path as the kernel has it. */
class PosixPath implements DatagramPath {
  readonly remote: HostPort;
  readonly local: string | null;
  /** The sockaddr of the other end. */
  readonly name: Uint8Array;
  readonly localBytes: Uint8Array;
  readonly isIpv4: boolean;

  constructor(remote: HostPort, name: Uint8Array, local: Uint8Array) {
    this.remote = remote;
    this.name = name;
    this.isIpv4 = !remote.host.includes(":");
    const isMapped = this.isIpv4 && local.length === 16;
    this.localBytes = isMapped ? local.slice(12) : local;
    this.local = local.length === 0
      ? null
      : this.isIpv4
      ? formatIpv4At(this.localBytes, 0)
      : formatIp(local);
  }

  /** `size`: bytes of `local` that count. */
  is(name: Uint8Array, local: Uint8Array, size: number): boolean {
    const from = size - this.localBytes.length;
    if (from < 0 || (size > 0 && this.localBytes.length === 0)) return false;
    for (let i = 0; i < this.name.length; i++) if (name[i] !== this.name[i]) return false;
    for (let i = from; i < size; i++) {
      if (local[i] !== this.localBytes[i - from]) return false;
    }
    return true;
  }
}

class BatchedDatagrams implements Datagrams {
  readonly addr: HostPort;
  readonly #libc: Libc;
  readonly #descriptor: Descriptor;
  readonly #socket: BoundSocket;
  readonly #message: DatagramMessage;
  readonly #onDegraded: (words: string) => void;
  readonly #paths: (PosixPath | undefined)[] = new Array(KEPT_PATHS);
  #cuts = true;

  constructor(
    libc: Libc,
    descriptor: Descriptor,
    o: {
      socket: BoundSocket;
      at: HostPort;
      message: DatagramMessage;
      onDegraded: (words: string) => void;
    },
  ) {
    this.#libc = libc;
    this.#descriptor = descriptor;
    this.#socket = o.socket;
    this.#message = o.message;
    this.#onDegraded = o.onDegraded;
    this.addr = { host: o.at.host, port: localAddr(libc, o.socket.fd).port };
  }

  pathTo(remote: HostPort): DatagramPath {
    return new PosixPath(remote, this.#nameOf(remote), NO_ADDRESS);
  }

  #nameOf({ host, port }: HostPort): Uint8Array {
    const name = new Uint8Array(SOCKADDR_ROOM);
    const mapped = this.#socket.isIpv6 && !host.includes(":") ? `::ffff:${host}` : host;
    const { size } = writeSockaddr({ host: mapped, port }, name, this.#libc);
    return name.slice(0, size);
  }

  sendNow(bytes: Uint8Array, segment: number, path: DatagramPath, ecn = 0): number {
    this.#descriptor.check();
    const to = this.#own(path);
    let sent = 0;
    while (sent < bytes.length) {
      const size = Math.min(bytes.length - sent, this.#mostOf(segment));
      const result = this.#message.send(
        this.#libc,
        this.#socket.fd,
        sent === 0 && size === bytes.length ? bytes : bytes.subarray(sent, sent + size),
        segment,
        to,
        ecn,
      );
      if (result === -Errno.EAGAIN || result === -Errno.ENOBUFS) return sent;
      if (size > segment && (result === -Errno.EIO || result === -Errno.EINVAL)) {
        // Either the kernel cannot cut here, or each one is too long: one alone will tell.
        const one = this.#message.send(
          this.#libc,
          this.#socket.fd,
          bytes.subarray(sent, sent + segment),
          segment,
          to,
          ecn,
        );
        if (one === -Errno.EAGAIN || one === -Errno.ENOBUFS) return sent;
        if (one < 0 && one !== -Errno.EMSGSIZE) {
          sent += size; // it is the path that does not take them
          continue;
        }
        if (one !== -Errno.EMSGSIZE) {
          this.#cuts = false;
          this.#onDegraded(
            `the kernel refused to cut datagrams (UDP_SEGMENT: ${-result}); each goes by itself now`,
          );
          sent += segment;
          continue;
        }
      } else if (result !== -Errno.EMSGSIZE) {
        sent += size; // an error that is not about room drops them
        continue;
      }
      return sent === 0 ? TOO_LONG : sent;
    }
    return sent;
  }

  /** Bytes of one call. */
  #mostOf(segment: number): number {
    if (!this.#cuts) return segment;
    return Math.max(1, Math.min(MOST_SEGMENTS, Math.floor(MOST_BYTES / segment))) * segment;
  }

  /** A path of another socket has addresses that are good here too. */
  #own(path: DatagramPath): PosixPath {
    if (path instanceof PosixPath && this.#fits(path)) return path;
    const local = path.local === null ? NO_ADDRESS : ipBytes(path.local)!;
    return new PosixPath(path.remote, this.#nameOf(path.remote), local);
  }

  /** The family of the name is the socket's. */
  #fits(path: PosixPath): boolean {
    return (path.name.length === SOCKADDR_ROOM) === this.#socket.isIpv6;
  }

  receiveNow(into: Uint8Array, got: ReceivedDatagrams): boolean {
    this.#descriptor.check();
    const message = this.#message;
    const size = message.receive(this.#libc, this.#socket.fd, into);
    if (size === -Errno.EAGAIN) return false;
    if (size < 0) throw netError(new NativeError("recvmsg", -size), "stream", this.addr);
    got.size = size;
    got.segment = message.segment > 0 ? message.segment : size;
    got.ecn = message.ecn;
    got.path = this.#path(got.path);
    return true;
  }

  #path(last: DatagramPath): DatagramPath {
    const { name, local, localSize } = this.#message;
    if (last instanceof PosixPath && last.is(name, local, localSize)) return last;
    const place = hashOf(name, local, localSize) % KEPT_PATHS;
    const kept = this.#paths[place];
    if (kept?.is(name, local, localSize)) return kept;
    return this.#paths[place] = new PosixPath(
      unpackSockaddr(name, this.#libc),
      name.slice(0, sockaddrSize(name)),
      local.slice(0, localSize),
    );
  }

  onSendable(run: OnReady): void {
    this.#descriptor.onWritable(run);
  }

  onReceivable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  [Symbol.dispose](): void {
    this.#descriptor.close(() => new TtunError("lost", "The socket was closed at this end"));
  }
}

function hashOf(name: Uint8Array, local: Uint8Array, size: number): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash, 31) + name[i]! | 0;
  for (let i = 0; i < size; i++) hash = Math.imul(hash, 31) + local[i]! | 0;
  return hash >>> 0;
}
