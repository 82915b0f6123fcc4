import { TtunError } from "../../base/errors.ts";
import type { OnReady } from "../../contract/stream.ts";
import type { NativeSockets } from "../../../ffi/sockets/native_sockets.ts";
import { PollList } from "../../../ffi/sockets/poll_list.ts";
import { openWakeSocket } from "../../../ffi/sockets/shared_port.ts";
import { Lifetime, Waiter } from "../net/lifetime.ts";

/** Milliseconds until another try after the system could not poll. */
const FAILED_MS = 10;

/** Milliseconds of a poll: a wake-up that a packet filter has dropped costs no more than that. */
const LONGEST_MS = 1000;

const ONE_BYTE = new Uint8Array(1);

/**
 * Watches sockets by `poll` in a thread of Deno's pool, on systems without the reactor. There is a
 * poll only while somebody waits. One that is under way is ended by a datagram, for another socket
 * to wait for, or one to close: the kernel keeps a socket that is polled.
 */
export class PollLoop implements AsyncDisposable {
  readonly sockets: NativeSockets;
  readonly #list: PollList;
  readonly #wakeFd: number;
  readonly #open = new Set<PolledSocket>();
  /** Sockets that somebody waits for. */
  readonly #waiting = new Set<PolledSocket>();
  /** Sockets of the poll that is under way, in the order of the list; behind the wake-up's. */
  #polled: PolledSocket[] = [];
  /** Closed ones that are to be given back when the poll under way has ended. */
  #closing: PolledSocket[] = [];
  #isPolling = false;
  #isWoken = false;
  #running: Promise<void> | null = null;

  /** Owns `sockets`. @throws {NativeError} */
  constructor(sockets: NativeSockets) {
    this.sockets = sockets;
    this.#list = new PollList(sockets.system);
    this.#wakeFd = openWakeSocket(sockets);
  }

  /** Takes ownership of a non-blocking descriptor, which `signal` closes too. */
  own(fd: number, signal: AbortSignal): PolledSocket {
    const socket = new PolledSocket(this, fd, signal);
    if (!socket.isClosed) this.#open.add(socket);
    return socket;
  }

  /** For PolledSocket: it waits from now on. */
  wait(socket: PolledSocket): void {
    this.#waiting.add(socket);
    if (this.#isPolling) this.#wake();
    else this.#running ??= this.#run();
  }

  /** For PolledSocket: gives its descriptor back, as soon as no poll has it. */
  release(socket: PolledSocket): void {
    this.#open.delete(socket);
    this.#waiting.delete(socket);
    if (!this.#isPolling || !this.#polled.includes(socket)) return this.#close(socket);
    this.#closing.push(socket);
    this.#wake();
  }

  #close(socket: PolledSocket): void {
    this.sockets.close(socket.fd);
    socket.closed.resolve();
  }

  #wake(): void {
    if (this.#isWoken) return;
    this.#isWoken = true;
    this.sockets.send(this.#wakeFd, ONE_BYTE);
  }

  /** Ends when nobody waits. */
  async #run(): Promise<void> {
    await null; // others that begin to wait in this turn are polled too
    while (this.#waiting.size > 0) {
      const result = await this.#poll();
      if (result < 0) await new Promise((resolve) => setTimeout(resolve, FAILED_MS));
    }
    this.#running = null;
  }

  async #poll(): Promise<number> {
    const { pollIn, pollOut } = this.sockets.system;
    const list = this.#list;
    list.clear();
    list.add(this.#wakeFd, pollIn);
    this.#polled = [...this.#waiting];
    for (const socket of this.#polled) {
      list.add(socket.fd, (socket.isReading ? pollIn : 0) | (socket.isWriting ? pollOut : 0));
    }
    this.#isPolling = true;
    const result = await this.sockets.poll(list.bytes, list.count, LONGEST_MS);
    this.#isPolling = false;
    if (this.#isWoken) {
      this.#isWoken = false;
      while (this.sockets.recv(this.#wakeFd, new Uint8Array(1)) >= 0);
    }
    const polled = this.#polled;
    this.#polled = [];
    for (const socket of this.#closing.splice(0)) this.#close(socket);
    polled.forEach((socket, i) => {
      // After a failure each call tells for itself.
      const happened = result < 0 ? pollIn | pollOut : list.happened(i + 1);
      if (happened === 0 || socket.isClosed) return;
      // An error or hang-up is for both; so is what the system says of a descriptor that is none.
      const isOther = (happened & ~(pollIn | pollOut)) !== 0;
      socket.wake({
        reads: isOther || (happened & pollIn) !== 0,
        writes: isOther || (happened & pollOut) !== 0,
      });
    });
    return result;
  }

  /** For PolledSocket: nobody waits for it. */
  rest(socket: PolledSocket): void {
    this.#waiting.delete(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of [...this.#open]) {
      socket.close(new TtunError("lost", "Cannot go on: the sockets have been closed"));
    }
    await this.#running;
    this.sockets.close(this.#wakeFd);
    this.sockets[Symbol.dispose]();
  }
}

/** A socket with those that wait for it. After the close they are run, and `check` throws. */
export class PolledSocket {
  readonly fd: number;
  /** Resolves when the descriptor has been given back. */
  readonly closed = Promise.withResolvers<void>();
  readonly #loop: PollLoop;
  readonly #life: Lifetime;
  readonly #reader = new Waiter();
  readonly #writer = new Waiter();
  #isReading = false;
  #isWriting = false;

  constructor(loop: PollLoop, fd: number, signal: AbortSignal) {
    this.#loop = loop;
    this.fd = fd;
    this.#life = new Lifetime(signal, () => this.#close());
  }

  get isClosed(): boolean {
    return this.#life.isOver;
  }

  get isReading(): boolean {
    return this.#isReading;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** @throws the close's reason */
  check(): void {
    this.#life.check();
  }

  /** Calls `run` once when a read may do something. @throws as `check` */
  onReadable(run: OnReady): void {
    this.check();
    this.#isReading = true;
    this.#reader.set(run);
    this.#loop.wait(this);
  }

  onWritable(run: OnReady): void {
    this.check();
    this.#isWriting = true;
    this.#writer.set(run);
    this.#loop.wait(this);
  }

  /** For the loop. */
  wake({ reads, writes }: { readonly reads: boolean; readonly writes: boolean }): void {
    const [isRead, isWritten] = [reads && this.#isReading, writes && this.#isWriting];
    this.#isReading &&= !isRead;
    this.#isWriting &&= !isWritten;
    if (!this.#isReading && !this.#isWriting) this.#loop.rest(this);
    if (isRead) this.#reader.wake();
    if (isWritten) this.#writer.wake();
  }

  close(reason: unknown): void {
    this.#life.end(reason);
  }

  #close(): void {
    this.#isReading = this.#isWriting = false;
    this.#reader.wakeSoon();
    this.#writer.wakeSoon();
    this.#loop.release(this);
  }
}
