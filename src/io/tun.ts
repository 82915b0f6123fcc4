import { TtunError } from "../base/errors.ts";
import { MAX_PACKET } from "../base/packets.ts";
import type { Device, Packets, Room } from "../contract/packet.ts";
import type { Now } from "../contract/stream.ts";
import { Errno, NativeError } from "../../ffi/errno.ts";
import type { Libc } from "../../ffi/libc.ts";
import { openTun, TUN_PATH } from "../../ffi/tun_linux.ts";
import type { Descriptor, Reactor } from "./reactor.ts";

/** A TUN device on the reactor. */
export interface TunDevice extends Device {
  /** An administrator made it: it stays after we close it. */
  readonly persistent: boolean;
}

/** Name for the first free `ttunN`: the kernel fills in the number. */
const FIRST_FREE = "ttun%d";

/**
 * Opens the device `name`, or the first free `ttunN`. Packets are at most `mtu` bytes as far as
 * the device keeps to its MTU, which `netcfg` sets.
 * @throws {TtunError} privilege, system, in_use, usage: with the commands that mend it
 */
export function openDevice(
  reactor: Reactor,
  o: {
    name: string | undefined;
    mtu: number;
    signal: AbortSignal;
    /** What the device will be given, to name it where root must do that. */
    addresses?: readonly string[];
  },
): TunDevice {
  if (Deno.build.os !== "linux") {
    throw new TtunError("system", `Cannot open a TUN device: not there yet for ${Deno.build.os}`);
  }
  o.signal.throwIfAborted();
  try {
    const tun = openTun(reactor.libc, o.name ?? FIRST_FREE);
    return new LinuxTun(
      reactor.libc,
      reactor.own(tun.fd, o.signal),
      tun.name,
      tun.persistent,
      o.mtu,
    );
  } catch (thrown) {
    throw thrown instanceof NativeError ? openError(thrown, o) : thrown;
  }
}

function openError(
  error: NativeError,
  { name, mtu, addresses = [] }: {
    name: string | undefined;
    mtu: number;
    addresses?: readonly string[];
  },
): TtunError {
  const cause = { cause: error };
  if (error.call === "open" && error.is("ENOENT", "ENODEV", "ENXIO")) {
    return new TtunError(
      "system",
      `Cannot open ${TUN_PATH}: the kernel's TUN driver is not there; ` +
        `load it: sudo modprobe tun && sudo mkdir -p /dev/net && ` +
        `{ test -e ${TUN_PATH} || sudo mknod ${TUN_PATH} c 10 200; } ` +
        `(a container needs: --device ${TUN_PATH} --cap-add NET_ADMIN)`,
      cause,
    );
  }
  if (error.is("EPERM", "EACCES")) {
    const device = name ?? "ttun0";
    return new TtunError(
      "privilege",
      `Cannot open a TUN device: it takes root or CAP_NET_ADMIN; run it with sudo, or let root make ` +
        `a device for you: sudo chmod 666 ${TUN_PATH} && ` +
        `sudo ip tuntap add dev ${device} mode tun user "$USER" && ` +
        addresses.map((address) => `sudo ip address add ${address} dev ${device} && `).join("") +
        `sudo ip link set dev ${device} mtu ${mtu} up, and give --device ${device}`,
      cause,
    );
  }
  if (error.is("EBUSY")) {
    return new TtunError(
      "in_use",
      `Cannot open the TUN device ${name}: another program has it; end that or choose another with --device`,
      cause,
    );
  }
  if (error.is("EINVAL")) {
    return new TtunError(
      "usage",
      `Cannot open ${name} as a TUN device: it is another kind of device; choose another name with --device`,
      cause,
    );
  }
  return new TtunError("system", `Cannot open a TUN device: ${error.message}`, cause);
}

class LinuxTun implements TunDevice {
  readonly name: string;
  readonly mtu: number;
  readonly persistent: boolean;
  refused = 0;
  readonly #libc: Libc;
  readonly #descriptor: Descriptor;
  readonly #waste = new Uint8Array(MAX_PACKET);

  constructor(libc: Libc, descriptor: Descriptor, name: string, persistent: boolean, mtu: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
    this.name = name;
    this.persistent = persistent;
    this.mtu = mtu;
  }

  readBatch(into: Packets, room: Room): Now<number> {
    const count = this.#tryRead(into, room);
    return count > 0 ? count : this.#waitRead(into, room);
  }

  async #waitRead(into: Packets, room: Room): Promise<number> {
    for (;;) {
      await this.#descriptor.readable();
      const count = this.#tryRead(into, room);
      if (count > 0) return count;
    }
  }

  /** Takes packets until there are none, or no room: they come to lie as `room` says. */
  #tryRead(into: Packets, { lead, headroom, tailroom, trail, group }: Room): number {
    this.#descriptor.check();
    const { read } = this.#libc.call;
    const { fd } = this.#descriptor;
    const bytes = into.bytes as Uint8Array<ArrayBuffer>;
    const last = bytes.length - trail - tailroom - MAX_PACKET;
    const most = into.offset.length;
    let count = 0;
    let groupAt = lead;
    for (let at = lead + headroom; count < most && at <= last;) {
      const got = read(fd, bytes.subarray(at, at + MAX_PACKET), MAX_PACKET_BIGINT);
      if (got < 0) {
        if (this.#libc.errno === Errno.EINTR) continue;
        if (this.#libc.errno === Errno.EAGAIN) break;
        throw this.#lost("read");
      }
      into.offset[count] = at;
      into.length[count] = got;
      count++;
      at += got + tailroom;
      if (at - groupAt >= group) groupAt = at += trail + lead;
      at += headroom;
    }
    into.count = count;
    return count;
  }

  writeBatch(from: Packets): Now<void> {
    return this.#writeFrom(from, 0);
  }

  #writeFrom(from: Packets, first: number): Now<void> {
    this.#descriptor.check();
    const { write } = this.#libc.call;
    const { fd } = this.#descriptor;
    const bytes = from.bytes as Uint8Array<ArrayBuffer>;
    for (let i = first; i < from.count; i++) {
      const at = from.offset[i]!;
      const length = from.length[i]!;
      if (write(fd, bytes.subarray(at, at + length), BigInt(length)) >= 0) continue;
      const { errno } = this.#libc;
      if (errno === Errno.EINTR) i--;
      else if (errno === Errno.EAGAIN) return this.#waitWrite(from, i);
      else if (errno === Errno.EBADFD || errno === Errno.EBADF) throw this.#lost("write");
      else this.refused++; // no IP packet, device down, no memory: a network drops such packets
    }
  }

  async #waitWrite(from: Packets, first: number): Promise<void> {
    await this.#descriptor.writable();
    await this.#writeFrom(from, first);
  }

  drain(): number {
    this.#descriptor.check();
    let dropped = 0;
    while (
      dropped < DRAIN_MOST &&
      this.#libc.call.read(this.#descriptor.fd, this.#waste, MAX_PACKET_BIGINT) >= 0
    ) {
      dropped++;
    }
    return dropped;
  }

  #lost(call: string): TtunError {
    const cause = new NativeError(call, this.#libc.errno);
    return new TtunError("system", `Lost the TUN device ${this.name}: it was removed`, { cause });
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.#descriptor.close(
      new TtunError("lost", `Cannot use ${this.name}: the device has been closed`),
    );
  }
}

const MAX_PACKET_BIGINT = BigInt(MAX_PACKET);

/** Twice the queue of a TUN device: enough to empty it, and an end if somebody keeps it full. */
const DRAIN_MOST = 1000;
