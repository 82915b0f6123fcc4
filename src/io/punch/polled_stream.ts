import { type Addr, formatAddr, type HostPort } from "../../base/addr.ts";
import type { Connection, SocketOptions } from "../../contract/connection.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import type { OnReady } from "../../contract/stream.ts";
import { lingerZero, localName, setStreamOptions } from "../../../ffi/sockets/shared_port.ts";
import { closedHere, netError } from "../net/net_errors.ts";
import type { PolledSocket, PollLoop } from "./poll_loop.ts";

/** A connection over a socket that is polled. */
export class PolledStream implements Connection {
  readonly remote: Addr;
  /** The system is not asked. */
  readonly congestion = "";
  readonly #loop: PollLoop;
  readonly #socket: PolledSocket;
  #local: Addr | null = null;

  constructor(loop: PollLoop, socket: PolledSocket, remote: HostPort) {
    this.#loop = loop;
    this.#socket = socket;
    this.remote = remote;
  }

  get peer(): string {
    return formatAddr(this.remote);
  }

  get local(): Addr {
    if (this.#local === null) {
      this.#socket.check();
      try {
        this.#local = localName(this.#loop.sockets, this.#socket.fd);
      } catch (thrown) {
        throw netError(thrown, "stream", this.peer);
      }
    }
    return this.#local;
  }

  readNow(into: Uint8Array): number | null | undefined {
    this.#socket.check();
    const { sockets } = this.#loop;
    const got = sockets.recv(this.#socket.fd, into);
    if (got > 0) return got;
    if (got === 0) return null;
    if (got === -sockets.system.errors.wouldBlock) return undefined;
    throw this.#failed("recv", got);
  }

  onReadable(run: OnReady): void {
    this.#socket.onReadable(run);
  }

  writeNow(all: Uint8Array): number {
    this.#socket.check();
    const { sockets } = this.#loop;
    let done = 0;
    while (done < all.length) {
      const took = sockets.send(this.#socket.fd, done === 0 ? all : all.subarray(done));
      if (took === -sockets.system.errors.wouldBlock) break;
      if (took < 0) throw this.#failed("send", took);
      done += took;
    }
    return done;
  }

  onWritable(run: OnReady): void {
    this.#socket.onWritable(run);
  }

  closeWrite(): void {
    this.#socket.check();
    const result = this.#loop.sockets.shutdownWrite(this.#socket.fd);
    if (result < 0) throw this.#failed("shutdown", result);
  }

  reset(): void {
    if (this.#socket.isClosed) return;
    lingerZero(this.#loop.sockets, this.#socket.fd);
    this.#socket.close(closedHere());
  }

  stats(): ConnectionStats {
    return { protocol: "tcp", ...(this.#socket.isClosed && { peerClosed: true }) };
  }

  setOptions(options: SocketOptions): string[] {
    this.#socket.check();
    return setStreamOptions(this.#loop.sockets, this.#socket.fd, options);
  }

  #failed(call: string, result: number): unknown {
    return netError(this.#loop.sockets.error(call, result), "stream", this.peer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(closedHere());
    await this.#socket.closed.promise;
  }
}
