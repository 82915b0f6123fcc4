import { MAX_SUPER_PACKET, VIRTIO_NET_HEADER } from "../../contract/batch.ts";
import type { Device, DeviceEnd } from "../../contract/device.ts";
import type { OnReady } from "../../contract/stream.ts";
import { WATCH_LEVEL } from "../../../ffi/linux/epoll.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { openSocketPair } from "../../../ffi/linux/socket.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { deviceOnSocket } from "./linux.ts";

/**
 * Opens a device without an interface: `end` is where the kernel would be. Both live under the
 * signal.
 * @throws {NativeError} EMFILE, ENFILE
 */
export function openSocketDevice(
  reactor: Reactor,
  like: Pick<Device, "headroom" | "takes" | "mtu">,
  signal: AbortSignal,
): { device: Device; end: DeviceEnd } {
  const [fd, endFd] = openSocketPair(reactor.libc, "datagrams");
  const device = deviceOnSocket(reactor, fd, like, signal);
  const end = new SocketEnd(reactor.libc, reactor.own(endFd, signal, WATCH_LEVEL));
  return { device, end };
}

class SocketEnd implements DeviceEnd {
  readonly #libc: Libc;
  readonly #descriptor: Descriptor;
  readonly #bytes = new Uint8Array(VIRTIO_NET_HEADER + MAX_SUPER_PACKET);

  constructor(libc: Libc, descriptor: Descriptor) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  get closed(): boolean {
    return this.#descriptor.closed;
  }

  send(packet: Uint8Array): boolean {
    return !this.closed && this.#libc.write(this.#descriptor.fd, packet) >= 0;
  }

  receive(): number {
    return this.closed ? 0 : Math.max(0, this.#libc.read(this.#descriptor.fd, this.#bytes));
  }

  onReadable(run: OnReady): void {
    this.#descriptor.onReadable(run);
  }
}
