import { TtunError } from "../../src/base/errors.ts";
import {
  LayoutCursor,
  type PacketLayout,
  type Packets,
  VIRTIO_NET_HEADER,
} from "../../src/contract/batch.ts";
import type { Device } from "../../src/contract/device.ts";
import type { MaybePromise, OnReady } from "../../src/contract/stream.ts";
import { Gate } from "./pipe.ts";

/** A TUN device whose network is the test. */
export class FakeDevice implements Device {
  readonly name = "fake0";
  readonly mtu: number;
  readonly headroom = VIRTIO_NET_HEADER;
  readonly takes: number;
  /** Offloads that were asked for last. */
  offload = 0;
  refused = 0;
  /** Packets that were written to it, as copies. */
  readonly written: Uint8Array[] = [];
  /** The virtio_net_hdr of each of them, or null where there was none. */
  readonly headers: (Uint8Array | null)[] = [];
  readonly #queue: { packet: Uint8Array; header: Uint8Array | null }[] = [];
  readonly #reader = new Gate();
  readonly #writer = new Gate();
  #writable = true;
  #lost: { reason: unknown } | null = null;

  constructor(mtu = 1280, takes = 0) {
    this.mtu = mtu;
    this.takes = takes;
  }

  setOffload(mask: number): void {
    this.offload = mask;
  }

  get closed(): boolean {
    return this.#lost !== null;
  }

  /** Packets that wait to be read. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Hands packets to whoever reads the device; they are read as one batch if they fit in one. */
  inject(...packets: Uint8Array[]): void {
    this.#queue.push(...packets.map((packet) => ({ packet: packet.slice(), header: null })));
    this.#reader.open();
  }

  /** Puts in a packet with a virtio_net_hdr, whatever it says. */
  injectWith(header: Uint8Array, packet: Uint8Array): void {
    this.#queue.push({ packet: packet.slice(), header: header.slice() });
    this.#reader.open();
  }

  /** While it is not writable, writers wait. */
  set writable(writable: boolean) {
    this.#writable = writable;
    if (writable) this.#writer.open();
  }

  /** The device is taken away. */
  lose(reason: unknown = new TtunError("system", "Lost the TUN device fake0: it was removed")) {
    this.#lost ??= { reason };
    this.#reader.open();
    this.#writer.open();
  }

  onReadable(run: OnReady): void {
    this.#check();
    this.#reader.wait().then(run);
  }

  readNow(into: Packets, layout: PacketLayout): number {
    this.#check();
    let count = 0;
    const cursor = new LayoutCursor(layout);
    while (count < into.offset.length) {
      const next = this.#queue[0];
      const { at } = cursor;
      if (
        next === undefined ||
        at + next.packet.length + layout.tailroom + layout.groupTailroom > into.bytes.length
      ) {
        break;
      }
      this.#queue.shift();
      const { packet, header } = next;
      // A real device writes its header there, whatever the header says.
      into.bytes.set(header ?? new Uint8Array(this.headroom), at - this.headroom);
      into.bytes.set(packet, at);
      into.offset[count] = at;
      into.length[count] = packet.length;
      into.hasHeader[count] = header === null ? 0 : 1;
      count++;
      cursor.next(packet.length);
    }
    into.count = count;
    return count;
  }

  writeBatch(from: Packets): MaybePromise<void> {
    this.#check();
    if (!this.#writable) return this.#waitWrite(from);
    for (let i = 0; i < from.count; i++) {
      const at = from.offset[i]!;
      const before = from.bytes.subarray(at - this.headroom, at);
      this.headers.push(from.hasHeader[i] === 0 ? null : before.slice());
      before.fill(0xee); // it is the device's
      this.written.push(from.bytes.slice(at, at + from.length[i]!));
    }
  }

  async #waitWrite(from: Packets): Promise<void> {
    await this.#writer.wait();
    await this.writeBatch(from);
  }

  drain(): number {
    this.#check();
    return this.#queue.splice(0).length;
  }

  #check(): void {
    if (this.#lost !== null) throw this.#lost.reason;
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.lose(new TtunError("lost", `Cannot use ${this.name}: the device has been closed`));
  }
}
