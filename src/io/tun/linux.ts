import { TtunError } from "../../base/errors.ts";
import { type Device, DEVICE_QUEUE } from "../../contract/device.ts";
import {
  clearIdleHeader,
  isComplete,
  LayoutCursor,
  MAX_PACKET,
  Offload,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../contract/batch.ts";
import type { MaybePromise, OnReady } from "../../contract/stream.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import { WATCH_LEVEL } from "../../../ffi/linux/epoll.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { openTun, setOffload, type Tun } from "../../../ffi/linux/tun.ts";
import { check, NativeError } from "../../../ffi/native.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { openError } from "./linux_errors.ts";
import { supportedOffload, tunFlags } from "./linux_offload.ts";

export interface TunDevice extends Device {
  /** The device was there before and stays after it is closed. */
  readonly persistent: boolean;
}

/** Pattern in which the kernel fills in the first free number. */
const FIRST_FREE = "ttun%d";

/**
 * Opens `name`, or the first free `ttunN`. Packets are at most `mtu` bytes if the device keeps to
 * its MTU, which `netcfg` sets.
 * @throws {TtunError} privilege, system, in_use, usage: with the commands that fix it
 */
export function openDevice(
  reactor: Reactor,
  o: {
    name: string | undefined;
    mtu: number;
    signal: AbortSignal;
    /** Allows GSO packets and partial checksums (default: true, if the kernel supports them). */
    offload?: boolean;
    /** Measures the intervals between packets (default: the reactor). */
    clock?: Pick<Clock, "now">;
  },
): TunDevice {
  o.signal.throwIfAborted();
  try {
    const headers = o.offload ?? true;
    const tun = openTun(reactor.libc, o.name ?? FIRST_FREE, { headers });
    const descriptor = reactor.own(tun.fd, new AbortController().signal, WATCH_LEVEL);
    const takes = headers ? supportedOffload(reactor.libc, tun.fd) : Offload.none;
    const headroom = headers ? VIRTIO_NET_HEADER : 0;
    const { mtu, signal, clock = reactor } = o;
    return new LinuxTun(reactor.libc, descriptor, tun, {
      ...{ headroom, takes, mtu, signal, clock },
      setOffload: (flags) => check("TUNSETOFFLOAD", setOffload(reactor.libc, tun.fd, flags)),
    });
  } catch (thrown) {
    throw thrown instanceof NativeError ? openError(thrown, reactor.libc, o) : thrown;
  }
}

/**
 * A device whose packets come from and go to the other end of a pair of datagram sockets, in place
 * of the kernel; `like` says what it takes. Owns `fd`.
 */
export function deviceOnSocket(
  reactor: Reactor,
  fd: number,
  { headroom, takes, mtu }: Pick<Device, "headroom" | "takes" | "mtu">,
  signal: AbortSignal,
): Device {
  const descriptor = reactor.own(fd, new AbortController().signal, WATCH_LEVEL);
  const tun = { fd, name: "socket", persistent: false };
  const setOffload = () => {};
  return new LinuxTun(reactor.libc, descriptor, tun, {
    ...{ headroom, takes, mtu, signal, clock: reactor },
    setOffload,
  });
}

class LinuxTun implements TunDevice {
  readonly name: string;
  readonly mtu: number;
  readonly persistent: boolean;
  readonly headroom: number;
  readonly takes: number;
  refused = 0;
  #offload: number = Offload.none;
  readonly #setOffload: (flags: number) => void;
  readonly #libc: Libc;
  readonly #clock: Pick<Clock, "now">;
  readonly #descriptor: Descriptor;
  readonly #registration: Disposable;
  readonly #waste = new Uint8Array(VIRTIO_NET_HEADER + MAX_PACKET);
  /** Packets of the last read, and its time. */
  #lastCount = 0;
  #readAt = NaN;
  /** Consecutive reads of one packet without a check for a second one. */
  #unconfirmed = 0;

  constructor(
    libc: Libc,
    descriptor: Descriptor,
    tun: Tun,
    o: {
      headroom: number;
      takes: number;
      mtu: number;
      signal: AbortSignal;
      clock: Pick<Clock, "now">;
      /** Takes flags of `TunOffload`. @throws {NativeError} */
      setOffload: (flags: number) => void;
    },
  ) {
    this.#libc = libc;
    this.#clock = o.clock;
    this.#setOffload = o.setOffload;
    this.#descriptor = descriptor;
    this.name = tun.name;
    this.persistent = tun.persistent;
    this.mtu = o.mtu;
    this.headroom = o.headroom;
    this.takes = o.takes;
    this.#registration = onAbort(o.signal, (reason) => this.#close(reason));
  }

  setOffload(mask: number): void {
    this.#descriptor.check();
    if (mask === this.#offload) return;
    this.#setOffload(tunFlags(mask & this.takes));
    this.#offload = mask;
  }

  onReadable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }

  /**
   * Reads until no packets are left or the batch is full, laid out by `layout`. When packets arrive
   * one by one, it leaves the next to the reactor, which saves the read that returns EAGAIN.
   */
  readNow(into: Packets, layout: PacketLayout): number {
    this.#descriptor.check();
    into.count = 0;
    if (this.#descriptor.isEmpty) return 0;
    const { fd } = this.#descriptor;
    const { bytes } = into;
    const before = this.headroom;
    const last = bytes.length - layout.groupTailroom - layout.tailroom - MAX_PACKET;
    if (
      layout.groupHeadroom + layout.headroom < before ||
      layout.groupHeadroom + layout.headroom > last
    ) {
      throw new TtunError(
        "internal",
        `Cannot read ${this.name}: the batch has no room for a packet`,
      );
    }
    const now = this.#clock.now();
    const isAlone = this.#lastCount <= 1 && now - this.#readAt > ALONE_MS &&
      this.#unconfirmed < MOST_UNCONFIRMED;
    this.#unconfirmed = isAlone ? this.#unconfirmed + 1 : 0;
    this.#readAt = now;
    const most = isAlone ? 1 : into.offset.length;
    let count = 0;
    for (const cursor = new LayoutCursor(layout); count < most && cursor.at <= last;) {
      const { at } = cursor;
      const got = this.#libc.read(fd, bytes.subarray(at - before, at + MAX_PACKET));
      if (got < 0) {
        if (got !== -Errno.EAGAIN) throw this.#lost("read", got);
        // After a non-empty batch more packets will have arrived by the next read.
        if (count === 0) this.#descriptor.isEmpty = true;
        break;
      }
      into.offset[count] = at;
      into.length[count] = got - before;
      into.hasHeader[count] = before === 0 || isComplete(bytes, at) ? 0 : 1;
      count++;
      cursor.next(got - before);
    }
    into.count = count;
    if (isAlone) this.#descriptor.isEmpty = true;
    if (count > 0) this.#lastCount = count;
    return count;
  }

  writeBatch(from: Packets): MaybePromise<void> {
    return this.#writeFrom(from, 0);
  }

  #writeFrom(from: Packets, first: number): MaybePromise<void> {
    this.#descriptor.check();
    const { fd } = this.#descriptor;
    const { bytes } = from;
    const before = this.headroom;
    for (let i = first; i < from.count; i++) {
      const at = from.offset[i]!;
      if (at < before) {
        throw new TtunError("internal", `Cannot write to ${this.name}: no room for its header`);
      }
      if (before > 0) clearIdleHeader(bytes, at, from.hasHeader[i]!);
      const took = this.#libc.write(fd, bytes.subarray(at - before, at + from.length[i]!));
      if (took >= 0) continue;
      if (took === -Errno.EAGAIN) return this.#waitWrite(from, i);
      if (took === -Errno.EBADFD || took === -Errno.EBADF) throw this.#lost("write", took);
      this.refused++; // not an IP packet, device down, no memory: a network drops such packets
    }
  }

  async #waitWrite(from: Packets, first: number): Promise<void> {
    await new Promise<void>((resolve) => this.#descriptor.onWritable(resolve));
    await this.#writeFrom(from, first);
  }

  drain(): number {
    this.#descriptor.check();
    let dropped = 0;
    while (dropped < DRAIN_MOST && this.#libc.read(this.#descriptor.fd, this.#waste) >= 0) {
      dropped++;
    }
    return dropped;
  }

  #lost(call: string, result: number): TtunError {
    const cause = new NativeError(call, -result);
    return new TtunError("system", `Lost the TUN device ${this.name}: it was removed`, { cause });
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(new TtunError("lost", `Cannot use ${this.name}: the device has been closed`));
  }

  #close(reason: unknown): void {
    if (this.#descriptor.closed) return;
    this.#registration[Symbol.dispose]();
    // The next reader of a persistent device may not support offloaded packets. The call fails if
    // the device was removed.
    if (this.persistent) setOffload(this.#libc, this.#descriptor.fd, 0);
    this.#descriptor.close(() => reason);
  }
}

/** Milliseconds. A packet this soon after a single one is most likely single, too. */
const ALONE_MS = 0.1;

/**
 * After this many packets assumed to be single, a read checks for more: a busy process can take
 * that long between two turns while the queue is full.
 */
const MOST_UNCONFIRMED = 3;

/** Packets to drain: enough to empty the device's queue, but bounded if it is refilled. */
const DRAIN_MOST = 2 * DEVICE_QUEUE;
