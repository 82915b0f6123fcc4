import type { HostPort } from "../../base/addr.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { openSocketPair } from "../../../ffi/linux/socket.ts";
import { NativeError } from "../../../ffi/native.ts";
import { makeSocketCalls, type SocketCalls } from "./socket_calls.ts";

/** Told for every connection, as none has an address of its own. */
const REMOTE: HostPort = { host: "127.0.0.1", port: 1 };

const RING = new Uint8Array(1);
const rung = new Uint8Array(1);

interface LocalListener {
  readonly at: HostPort;
  /** The other end of the listener's descriptor: a byte for each connection. */
  readonly bell: number;
  /** Descriptors that nobody has accepted yet. */
  readonly queue: number[];
}

/**
 * Connections inside this process, over pairs of sockets: no other program can connect. A listener
 * goes by its port alone. Disposal, once all listeners are closed, closes what is left.
 */
export class LocalSockets implements Disposable {
  readonly calls: SocketCalls;
  readonly #libc: Libc;
  readonly #byPort = new Map<number, LocalListener>();
  readonly #byFd = new Map<number, LocalListener>();

  constructor(libc: Libc) {
    this.#libc = libc;
    this.calls = makeSocketCalls({
      connect: (_, to) => this.#connect(to.port),
      listen: (_, at) => this.#listen(at),
      accept: (_, fd) => this.#accept(fd),
      acceptedAddr: () => REMOTE,
      localAddr: (_, fd) => this.#byFd.get(fd)!.at,
    });
  }

  #listen(at: HostPort): number {
    const old = this.#byPort.get(at.port);
    if (old !== undefined) this.#close(old); // its descriptor is closed already
    const [fd, bell] = openSocketPair(this.#libc, "datagrams");
    const listener = { at, bell, queue: [] };
    this.#byPort.set(at.port, listener);
    this.#byFd.set(fd, listener);
    return fd;
  }

  /** @throws {NativeError} ECONNREFUSED when nobody listens, or many wait to be accepted */
  #connect(port: number): number {
    const listener = this.#byPort.get(port);
    if (listener === undefined || this.#libc.write(listener.bell, RING) < 0) {
      throw new NativeError("connect", Errno.ECONNREFUSED);
    }
    const [near, far] = openSocketPair(this.#libc, "stream");
    listener.queue.push(far);
    return near;
  }

  #accept(fd: number): number {
    const got = this.#libc.read(fd, rung);
    return got < 0 ? got : this.#byFd.get(fd)?.queue.shift() ?? -Errno.EAGAIN;
  }

  #close({ bell, queue }: LocalListener): void {
    for (const fd of [bell, ...queue.splice(0)]) this.#libc.close(fd);
  }

  [Symbol.dispose](): void {
    for (const listener of this.#byPort.values()) this.#close(listener);
    this.#byPort.clear();
    this.#byFd.clear();
  }
}
