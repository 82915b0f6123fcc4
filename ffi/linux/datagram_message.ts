import { IPPROTO_IP, SOL_UDP, UDP_GRO, UDP_SEGMENT } from "./datagram_options.ts";
import { Errno } from "./errno.ts";
import type { Libc } from "./libc.ts";
import { AF_INET, SOCKADDR_ROOM } from "./sockaddr.ts";
import { IPPROTO_IPV6, MSG_NOSIGNAL } from "./socket.ts";

/**
 * struct msghdr, iovec and cmsghdr of 64-bit Linux, little-endian, in one block of memory:
 *
 *     msghdr (56) | iovec (16) | sockaddr (32) | control (256) | text (64 KiB)
 */
const NAME_POINTER = 0;
const NAME_SIZE = 8;
const IOV_POINTER = 16;
const IOV_COUNT = 24;
const CONTROL_POINTER = 32;
const CONTROL_SIZE = 40;
const FLAGS = 48;
const MSGHDR = 56;
const IOV_BASE = MSGHDR;
const IOV_SIZE = MSGHDR + 8;
const NAME = 72;
const CONTROL = NAME + 32;
const CONTROL_ROOM = 256;
const TEXT = CONTROL + CONTROL_ROOM;
const TEXT_ROOM = 64 * 1024;
const CMSGHDR = 16;

/** Types of control messages in linux/in.h and linux/in6.h. */
const IP_TOS = 1;
const IP_PKTINFO = 8;
const IPV6_PKTINFO = 50;
const IPV6_TCLASS = 67;

/** struct in_pktinfo: interface, local address, address of the header; struct in6_pktinfo. */
const PKTINFO = 12;
const PKTINFO_V6 = 20;
const SPEC_DST = 4;

const IP_SIZE = 4;
const IPV6_SIZE = 16;

const ECN_BITS = 3;

const messages = new WeakMap<Libc, DatagramMessage>();

/**
 * Returns the message of all calls by this libc. To be called first while there is the permission for
 * native calls: addresses of memory take it too.
 */
export function messageOf(libc: Libc): DatagramMessage {
  const known = messages.get(libc);
  if (known !== undefined) return known;
  libc.openMessages();
  const made = new DatagramMessage();
  messages.set(libc, made);
  return made;
}

/**
 * One message of sendmsg or recvmsg, used again for each call, with the memory that the kernel is told
 * of: texts are copied there and from there.
 */
export class DatagramMessage {
  readonly #memory = new Uint8Array(new ArrayBuffer(TEXT + TEXT_ROOM));
  readonly #view = new DataView(this.#memory.buffer);

  /** Found by `receive`: of each datagram but the last; 0 = there is one alone. */
  segment = 0;
  ecn = 0;

  constructor() {
    const base = pointerTo(this.#memory.buffer);
    this.#setPointer(NAME_POINTER, base + NAME);
    this.#setPointer(IOV_POINTER, base + MSGHDR);
    this.#setPointer(CONTROL_POINTER, base + CONTROL);
    this.#setPointer(IOV_BASE, base + TEXT);
    this.#view.setUint32(IOV_COUNT, 1, true);
  }

  /** The sockaddr of the last `receive`, valid until the next call. */
  readonly name: Uint8Array = this.#memory.subarray(NAME, NAME + SOCKADDR_ROOM);

  /** The local address of the last `receive`: 4 or 16 bytes; none if `localSize` is 0. */
  readonly local = new Uint8Array(IPV6_SIZE);
  localSize = 0;

  /** Returns bytes or -errno. */
  receive(libc: Libc, fd: number, into: Uint8Array): number {
    const view = this.#view;
    view.setUint32(NAME_SIZE, SOCKADDR_ROOM, true);
    view.setUint32(CONTROL_SIZE, CONTROL_ROOM, true);
    view.setUint32(IOV_SIZE, Math.min(into.length, TEXT_ROOM), true);
    const size = libc.recvmsg(fd, this.#memory, 0);
    if (size < 0) return size;
    into.set(this.#memory.subarray(TEXT, TEXT + size));
    this.#readControl(view.getUint32(CONTROL_SIZE, true));
    return size;
  }

  #readControl(end: number): void {
    const view = this.#view;
    this.segment = this.ecn = this.localSize = 0;
    for (let at = 0; at + CMSGHDR <= end;) {
      const size = view.getUint32(CONTROL + at, true);
      const level = view.getInt32(CONTROL + at + 8, true);
      const type = view.getInt32(CONTROL + at + 12, true);
      const data = CONTROL + at + CMSGHDR;
      if (level === SOL_UDP && type === UDP_GRO) this.segment = view.getInt32(data, true);
      else if (level === IPPROTO_IP && type === IP_TOS) this.ecn = this.#memory[data]! & ECN_BITS;
      else if (level === IPPROTO_IPV6 && type === IPV6_TCLASS) {
        this.ecn = this.#memory[data]! & ECN_BITS;
      } else if (level === IPPROTO_IP && type === IP_PKTINFO) {
        this.#takeLocal(data + SPEC_DST, IP_SIZE);
      } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) this.#takeLocal(data, IPV6_SIZE);
      at += aligned(Math.max(size, CMSGHDR));
    }
  }

  #takeLocal(at: number, size: number): void {
    this.local.set(this.#memory.subarray(at, at + size));
    this.localSize = size;
  }

  /**
   * Sends from `localBytes` (4 or 16; none = the kernel chooses) to `name`, a sockaddr. More than
   * `segment` bytes are cut by the kernel. Returns bytes or -errno.
   */
  send(
    libc: Libc,
    fd: number,
    bytes: Uint8Array,
    segment: number,
    to: { name: Uint8Array; localBytes: Uint8Array; isIpv4: boolean },
    ecn: number,
  ): number {
    const view = this.#view;
    this.#memory.set(to.name, NAME);
    view.setUint32(NAME_SIZE, to.name.length, true);
    if (bytes.length > TEXT_ROOM) return -Errno.EMSGSIZE;
    this.#memory.set(bytes, TEXT);
    view.setUint32(IOV_SIZE, bytes.length, true);
    let end = 0;
    if (to.localBytes.length > 0) end = this.#putLocal(end, to.localBytes);
    if (ecn !== 0) {
      end = to.isIpv4
        ? this.#putNumber(end, IPPROTO_IP, IP_TOS, ecn)
        : this.#putNumber(end, IPPROTO_IPV6, IPV6_TCLASS, ecn);
    }
    if (bytes.length > segment) {
      end = this.#put(end, SOL_UDP, UDP_SEGMENT, 2);
      view.setUint16(CONTROL + end - 8, segment, true);
    }
    view.setUint32(CONTROL_SIZE, end, true);
    view.setUint32(FLAGS, 0, true);
    return libc.sendmsg(fd, this.#memory, MSG_NOSIGNAL);
  }

  /** Returns where the next message begins. */
  #put(at: number, level: number, type: number, size: number): number {
    const view = this.#view;
    const end = at + aligned(CMSGHDR + size);
    this.#memory.fill(0, CONTROL + at, CONTROL + end);
    view.setUint32(CONTROL + at, CMSGHDR + size, true);
    view.setInt32(CONTROL + at + 8, level, true);
    view.setInt32(CONTROL + at + 12, type, true);
    return end;
  }

  #putNumber(at: number, level: number, type: number, value: number): number {
    const end = this.#put(at, level, type, 4);
    this.#view.setInt32(CONTROL + at + CMSGHDR, value, true);
    return end;
  }

  #putLocal(at: number, local: Uint8Array): number {
    const isIpv4 = local.length === IP_SIZE;
    const end = isIpv4
      ? this.#put(at, IPPROTO_IP, IP_PKTINFO, PKTINFO)
      : this.#put(at, IPPROTO_IPV6, IPV6_PKTINFO, PKTINFO_V6);
    this.#memory.set(local, CONTROL + at + CMSGHDR + (isIpv4 ? SPEC_DST : 0));
    return end;
  }

  /** Pointers of user space have 57 bits at most, of which kernels give 47 unless asked. */
  #setPointer(at: number, pointer: number): void {
    this.#view.setUint32(at, pointer % 0x1_0000_0000, true);
    this.#view.setUint32(at + 4, Math.floor(pointer / 0x1_0000_0000), true);
  }
}

function pointerTo(buffer: ArrayBufferLike): number {
  // An array of its own: views of the same buffer may begin anywhere.
  const whole = new Uint8Array(buffer as ArrayBuffer);
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(whole)));
}

function aligned(size: number): number {
  return (size + 7) & ~7;
}

/** Length of a sockaddr by its family. */
export function sockaddrSize(name: Uint8Array): number {
  return name[0] === AF_INET ? 16 : SOCKADDR_ROOM;
}
