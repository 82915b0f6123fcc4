import { TtunError } from "../../base/errors.ts";
import {
  LayoutCursor,
  MAX_PACKET,
  Offload,
  type PacketLayout,
  type Packets,
} from "../../contract/batch.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { onAbort } from "../../base/scope.ts";
import { DarwinErrno, DarwinError } from "../../../ffi/darwin/errno.ts";
import { type LibSystem, openLibSystem } from "../../../ffi/darwin/libsystem.ts";
import {
  DARWIN_AF_INET,
  DARWIN_AF_INET6,
  openUtun,
  type Utun,
  UTUN_PREFIX,
} from "../../../ffi/darwin/utun.ts";
import { NativeError } from "../../../ffi/native.ts";
import { Poller, POLLIN, POLLOUT } from "./poll_darwin.ts";
import type { TunDevice } from "./linux.ts";

/**
 * Opens `utunN`, or the first free one. Owns the libSystem handle that it opens.
 * @throws {TtunError} privilege, system, in_use, exhausted, usage: with advice
 */
export function openDarwinDevice(
  o: { name: string | undefined; mtu: number; signal: AbortSignal },
  openLib: () => LibSystem = openLibSystem,
): TunDevice {
  o.signal.throwIfAborted();
  const unit = unitOf(o.name);
  using opened = new DisposableStack();
  try {
    const lib = opened.use(openLib());
    const utun = openUtun(lib, unit);
    opened.defer(() => lib.close(utun.fd));
    const device = new DarwinTun(lib, utun, new Poller(lib), o);
    opened.move(); // the device now owns both
    return device;
  } catch (thrown) {
    throw thrown instanceof NativeError ? openError(thrown, o.name) : thrown;
  }
}

function unitOf(name: string | undefined): number | undefined {
  if (name === undefined) return undefined;
  const match = /^utun(0|[1-9]\d{0,4})$/.exec(name);
  if (match !== null) return Number(match[1]);
  throw new TtunError(
    "usage",
    `Cannot name a device ${JSON.stringify(name)}: on macOS it is utun and a number, as utun7; ` +
      "without --device it is the first free one",
  );
}

function openError(error: NativeError, name: string | undefined): TtunError {
  const cause = { cause: error };
  if (error.is("EPERM", "EACCES")) {
    return new TtunError(
      "privilege",
      "Cannot open a utun device: only root can; run ttun with sudo",
      cause,
    );
  }
  if (error.is("EBUSY")) {
    return new TtunError(
      "in_use",
      `Cannot open ${name ?? "a utun device"}: another program has it; ` +
        "choose another with --device, or leave that away for the first free one",
      cause,
    );
  }
  if (error.is("EMFILE", "ENFILE")) {
    return new TtunError(
      "exhausted",
      "Cannot open a utun device: out of descriptors; end programs or raise the limit: ulimit -n",
      cause,
    );
  }
  if (error.call === "CTLIOCGINFO" && error.is("ENOENT")) {
    return new TtunError("system", "Cannot open a utun device: this kernel has none", cause);
  }
  return new TtunError("system", `Cannot open a utun device: ${error.message}`, cause);
}

class DarwinTun implements TunDevice {
  readonly name: string;
  readonly mtu: number;
  /** A utun device disappears with its descriptor. */
  readonly persistent = false;
  readonly headroom = UTUN_PREFIX;
  readonly takes = Offload.none;
  refused = 0;
  readonly #lib: LibSystem;
  readonly #fd: number;
  readonly #poller: Poller;
  readonly #registration: Disposable;
  readonly #waste = new Uint8Array(UTUN_PREFIX + MAX_PACKET);
  #closed: { reason: unknown } | null = null;
  /** The error of a failed wait. */
  #unreadable: { reason: unknown } | null = null;

  constructor(
    lib: LibSystem,
    utun: Utun,
    poller: Poller,
    o: { mtu: number; signal: AbortSignal },
  ) {
    this.#lib = lib;
    this.#fd = utun.fd;
    this.#poller = poller;
    this.name = utun.name;
    this.mtu = o.mtu;
    this.#registration = onAbort(o.signal, (reason) => this.#close(reason));
  }

  setOffload(_mask: number): void {
    this.#check();
  }

  onReadable(run: OnReady): void {
    this.#check();
    this.#poller.wait(this.#fd, POLLIN).then(run, (reason) => {
      this.#unreadable ??= { reason };
      run();
    });
  }

  /** Reads until no packets are left or the batch is full, laid out by `layout`. */
  readNow(into: Packets, layout: PacketLayout): number {
    this.#check();
    if (this.#unreadable !== null) throw this.#unreadable.reason;
    const { bytes } = into;
    if (layout.groupHeadroom + layout.headroom < UTUN_PREFIX) {
      throw new TtunError("internal", `Cannot read ${this.name}: no room for its header`);
    }
    const last = bytes.length - layout.groupTailroom - layout.tailroom - MAX_PACKET;
    if (layout.groupHeadroom + layout.headroom > last) {
      throw new TtunError("internal", `Cannot read ${this.name}: no room for a packet`);
    }
    const most = into.offset.length;
    let count = 0;
    for (const cursor = new LayoutCursor(layout); count < most && cursor.at <= last;) {
      const { at } = cursor;
      const got = this.#lib.read(this.#fd, bytes.subarray(at - UTUN_PREFIX, at + MAX_PACKET));
      if (got === -DarwinErrno.EAGAIN) break;
      if (got <= 0) {
        if (count > 0) break; // the next read reports it
        throw this.#lost("read", got);
      }
      if (got <= UTUN_PREFIX) continue; // not a packet
      into.offset[count] = at;
      into.length[count] = got - UTUN_PREFIX;
      into.hasHeader[count] = 0;
      count++;
      cursor.next(got - UTUN_PREFIX);
    }
    into.count = count;
    return count;
  }

  writeBatch(from: Packets): MaybePromise<void> {
    return this.#writeFrom(from, 0);
  }

  #writeFrom(from: Packets, first: number): MaybePromise<void> {
    this.#check();
    const { bytes } = from;
    for (let i = first; i < from.count; i++) {
      const at = from.offset[i]!;
      const length = from.length[i]!;
      if (at < UTUN_PREFIX) {
        throw new TtunError("internal", `Cannot write to ${this.name}: no room for its header`);
      }
      const family = length === 0 ? 0 : familyOf(bytes[at]! >>> 4);
      if (family === 0) {
        this.refused++;
        continue;
      }
      bytes.fill(0, at - UTUN_PREFIX, at - 1);
      bytes[at - 1] = family; // network byte order: the last of the four bytes
      const took = this.#lib.write(this.#fd, bytes.subarray(at - UTUN_PREFIX, at + length));
      if (took >= 0) continue;
      if (took === -DarwinErrno.EAGAIN) return this.#waitWrite(from, i);
      if (GONE.includes(-took)) throw this.#lost("write", took);
      this.refused++; // no buffers or device down: a network drops such packets
    }
  }

  async #waitWrite(from: Packets, first: number): Promise<void> {
    await this.#poller.wait(this.#fd, POLLOUT);
    await this.#writeFrom(from, first);
  }

  drain(): number {
    this.#check();
    let dropped = 0;
    while (dropped < DRAIN_MOST && this.#lib.read(this.#fd, this.#waste) > 0) dropped++;
    return dropped;
  }

  #lost(call: string, result: number): TtunError {
    const cause = result < 0 ? { cause: new DarwinError(call, -result) } : {};
    return new TtunError("system", `Lost the TUN device ${this.name}: it was removed`, cause);
  }

  #check(): void {
    if (this.#closed !== null) throw this.#closed.reason;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", `Cannot use ${this.name}: the device has been closed`));
    await this.#poller.freed;
  }

  #close(reason: unknown): void {
    if (this.#closed !== null) return;
    this.#closed = { reason };
    this.#registration[Symbol.dispose]();
    this.#poller.end(() => {
      this.#lib.close(this.#fd);
      this.#lib[Symbol.dispose]();
    });
  }
}

/** Returns 0 for anything but an IP version. */
function familyOf(version: number): number {
  return version === 4 ? DARWIN_AF_INET : version === 6 ? DARWIN_AF_INET6 : 0;
}

/** Errors of a write to a removed device. */
const GONE: readonly number[] = [
  DarwinErrno.EBADF,
  DarwinErrno.ENXIO,
  DarwinErrno.EPIPE,
  DarwinErrno.ENOTCONN,
  DarwinErrno.ECONNRESET,
];

/** Packets to drain: more than the buffer usually holds, but bounded if it is refilled. */
const DRAIN_MOST = 10_000;
