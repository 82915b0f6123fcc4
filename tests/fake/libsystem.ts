import { readU32, writeU32 } from "../../src/base/bytes.ts";
import { DarwinErrno } from "../../ffi/darwin/errno.ts";
import { LibSystem, type LibSystemSymbols } from "../../ffi/darwin/libsystem.ts";

/** The number that the utun control has in this kernel. */
export const CONTROL_ID = 0x1234;

type Kind = "utun" | "pipe";

/** The part of macOS's kernel that utun needs: descriptors, one device, errors on demand. */
export class FakeDarwin {
  /** Calls that fail next, each with an errno; the name may have a count, as `fcntl:2`. */
  readonly failing = new Map<string, number>();
  /** Packets that were written to the device, with their prefixes. */
  readonly written: Uint8Array[] = [];
  /** Every descriptor that is open, and what it is. */
  readonly open = new Map<number, Kind>();
  /** The sockaddr of each connect, the ctl_info of each ioctl, and fcntl's [fd, command, value]. */
  readonly connects: Uint8Array[] = [];
  readonly infos: Uint8Array[] = [];
  readonly fcntls: number[][] = [];
  readonly arguments: { call: string; given: readonly unknown[] }[] = [];
  /** Writes find no room while this is set. */
  full = false;
  removed = false;
  closed = false;
  polls = 0;
  readonly #queue: Uint8Array[] = [];
  readonly #calls = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #wakes = 0;
  #nextFd = 3;
  readonly #errno = new Int32Array(1);

  readonly lib: LibSystem = new LibSystem(
    this.#symbols(),
    this.#errno,
    () => this.closed = true,
  );

  /** A packet of the machine's, with the prefix that the kernel gives it. */
  inject(packet: Uint8Array): void {
    const whole = new Uint8Array(4 + packet.length);
    writeU32(whole, 0, packet[0]! >>> 4 === 6 ? 30 : 2);
    whole.set(packet, 4);
    this.injectRaw(whole);
  }

  injectRaw(whole: Uint8Array): void {
    this.#queue.push(whole);
    this.#wake();
  }

  remove(): void {
    this.removed = true;
    this.#wake();
  }

  hasRoom(): void {
    this.full = false;
    this.#wake();
  }

  #wake(): void {
    for (const look of [...this.#waiting]) look();
  }

  #fail(errno: number): number {
    this.#errno[0] = errno;
    return -1;
  }

  /** Makes a call unless it shall fail or its descriptor is not open. */
  #call(name: string, fd: number | null, run: () => number): number {
    const count = (this.#calls.get(name) ?? 0) + 1;
    this.#calls.set(name, count);
    for (const key of [`${name}:${count}`, name]) {
      const errno = this.failing.get(key);
      if (errno === undefined) continue;
      this.failing.delete(key);
      return this.#fail(errno);
    }
    if (fd !== null && !this.open.has(fd)) throw new Error(`${name} on ${fd}, which is closed`);
    return run();
  }

  #new(kind: Kind): number {
    const fd = this.#nextFd++;
    this.open.set(fd, kind);
    return fd;
  }

  #isReady(fd: number, events: number): boolean {
    if (this.open.get(fd) === "pipe") return this.#wakes > 0;
    return this.removed || ((events & 1) !== 0 && this.#queue.length > 0) ||
      ((events & 4) !== 0 && !this.full);
  }

  #symbols(): LibSystemSymbols {
    const bytesOf = (buffer: unknown) => buffer as Uint8Array<ArrayBuffer>;
    return {
      __error: () => null,
      socket: (...given) =>
        this.#call("socket", null, () => {
          this.arguments.push({ call: "socket", given });
          return this.#new("utun");
        }),
      close: (fd) =>
        this.#call("close", fd, () => {
          this.open.delete(fd);
          return 0;
        }),
      connect: (fd, address, length) =>
        this.#call("connect", fd, () => {
          this.connects.push(bytesOf(address).slice(0, length));
          return 0;
        }),
      ioctl: (fd, request, info, _1, _2, _3, _4, _5, again) =>
        this.#call("ioctl", fd, () => {
          this.arguments.push({ call: "ioctl", given: [request, info === again] });
          this.infos.push(bytesOf(info).slice());
          new DataView(bytesOf(again).buffer).setUint32(0, CONTROL_ID, true);
          return 0;
        }),
      fcntl: (fd, command, value, _1, _2, _3, _4, _5, again) =>
        this.#call("fcntl", fd, () => {
          if (value !== again) throw new Error("the argument must be given twice");
          this.fcntls.push([fd, command, Number(value)]);
          return 0;
        }),
      getsockopt: (fd, level, option, value, length) =>
        this.#call("getsockopt", fd, () => {
          this.arguments.push({ call: "getsockopt", given: [level, option] });
          const unit = new DataView(this.connects.at(-1)!.buffer).getUint32(8, true);
          const name = new TextEncoder().encode(`utun${unit === 0 ? 3 : unit - 1}\0`);
          bytesOf(value).set(name);
          new DataView(bytesOf(length).buffer).setUint32(0, name.length, true);
          return 0;
        }),
      pipe: (fds) =>
        this.#call("pipe", null, () => {
          const view = new DataView(bytesOf(fds).buffer);
          view.setInt32(0, this.#new("pipe"), true);
          view.setInt32(4, this.#new("pipe"), true);
          return 0;
        }),
      read: (fd, into, length) =>
        this.#call("read", fd, () => {
          if (this.removed) return 0;
          const next = this.#queue.shift();
          if (next === undefined) return this.#fail(DarwinErrno.EAGAIN);
          const part = next.subarray(0, Number(length));
          bytesOf(into).set(part);
          return part.length;
        }),
      write: (fd, from, length) =>
        this.#call("write", fd, () => {
          if (this.open.get(fd) === "pipe") {
            this.#wakes++;
            this.#wake();
            return 1;
          }
          if (this.removed) return this.#fail(DarwinErrno.ENXIO);
          if (this.full) return this.#fail(DarwinErrno.EAGAIN);
          const whole = bytesOf(from).slice(0, Number(length));
          if (![2, 30].includes(readU32(whole, 0))) throw new Error("no family before the packet");
          this.written.push(whole);
          return whole.length;
        }),
      poll: (fds, count) => this.#poll(new DataView(bytesOf(fds).buffer), count),
    };
  }

  /** Comes back when one of the descriptors is ready, as from another thread: never at once. */
  async #poll(view: DataView, count: number): Promise<number> {
    this.polls++;
    const watched = Array.from({ length: count }, (_, i) => ({
      fd: view.getInt32(8 * i, true),
      events: view.getInt16(8 * i + 4, true),
    }));
    for (const { fd } of watched) if (!this.open.has(fd)) throw new Error(`poll on closed ${fd}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (watched.some(({ fd, events }) => this.#isReady(fd, events))) resolve();
    };
    this.#waiting.add(look);
    look();
    await promise;
    await Promise.resolve();
    this.#waiting.delete(look);
    for (const { fd } of watched) if (!this.open.has(fd)) throw new Error(`${fd} closed in a poll`);
    return 1;
  }
}
