import { check } from "../native.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";

/** Constants of sys/epoll.h and sys/eventfd.h. */
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x8000_0000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

export const WATCH_EDGES = (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET) >>> 0;
export const WATCH_INPUT = (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET) >>> 0;
/** Level-triggered: reported for as long as there is something to read. */
export const WATCH_LEVEL = EPOLLIN;

/** struct epoll_event: u32 events, u64 data. It is packed on x86-64 only. */
const PACKED = Deno.build.arch === "x86_64";
const EVENT_SIZE = PACKED ? 12 : 16;
const DATA_AT = PACKED ? 4 : 8;

const MAX_EVENTS = 256;

/**
 * Watches descriptors, and has an eventfd, which lets another thread end a wait. A descriptor goes
 * by a token (u32 > 0), not by its number, which the kernel reuses.
 */
export class Epoll implements Disposable {
  readonly #libc: Libc;
  readonly #fd: number;
  /** Writing 8 bytes to it ends the wait; owned by this object. */
  readonly wakeFd: number;
  readonly #events = new Uint8Array(EVENT_SIZE * MAX_EVENTS);
  readonly #view = new DataView(this.#events.buffer);
  readonly #one = new Uint8Array(EVENT_SIZE);
  readonly #oneView = new DataView(this.#one.buffer);
  readonly #count = new Uint8Array(8);
  #closed = false;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = check("epoll_create1", libc.epollCreate1(EPOLL_CLOEXEC));
    const wakeFd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wakeFd < 0) libc.close(this.#fd);
    this.wakeFd = check("eventfd", wakeFd);
    this.#control(EPOLL_CTL_ADD, this.wakeFd, 0, EPOLLIN);
  }

  /** @throws {NativeError} EPERM if it cannot be watched (plain files), ENOSPC, ENOMEM */
  add(fd: number, token: number, watch: number): void {
    this.#control(EPOLL_CTL_ADD, fd, token, watch);
  }

  /** Conditions that already hold are reported as new events. */
  change(fd: number, token: number, watch: number): void {
    this.#control(EPOLL_CTL_MOD, fd, token, watch);
  }

  /** Needed before a close that leaves other descriptors of the same description open (epoll(7)). */
  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd, 0, 0);
  }

  #control(operation: number, fd: number, token: number, events: number): void {
    this.#oneView.setUint32(0, events >>> 0, true);
    this.#oneView.setUint32(DATA_AT, token, true);
    check("epoll_ctl", this.#libc.epollCtl(this.#fd, operation, fd, this.#one));
  }

  /** Blocks this thread; -1 means for ever. Returns the number of events for `each`. */
  wait(timeoutMs: number): number {
    const count = this.#libc.epollWait(this.#fd, this.#events, MAX_EVENTS, timeoutMs);
    return count === -Errno.EINTR ? 0 : check("epoll_wait", count);
  }

  /** Waits in another thread; must have settled before dispose. `wake` ends it. */
  async waitAsync(timeoutMs: number): Promise<number> {
    const count = await this.#libc.epollWaitAsync(this.#fd, this.#events, MAX_EVENTS, timeoutMs);
    return Math.max(0, count); // the only failure in practice is EINTR
  }

  /** Token 0 is a wake-up; its eventfd count is reset first. */
  each(count: number, visit: (token: number, events: number) => void): void {
    for (let i = 0; i < count; i++) {
      const at = i * EVENT_SIZE;
      const token = this.#view.getUint32(at + DATA_AT, true);
      if (token === 0) this.#libc.read(this.wakeFd, this.#count);
      visit(token, this.#view.getUint32(at, true));
    }
  }

  wake(): void {
    this.#libc.write(this.wakeFd, WAKE);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#libc.close(this.wakeFd);
    this.#libc.close(this.#fd);
  }
}

export const WAKE = new Uint8Array(new BigUint64Array([1n]).buffer);
