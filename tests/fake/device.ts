import { TtunError } from "../../src/base/errors.ts";
import type { Device, Packets, Room } from "../../src/contract/packet.ts";
import type { Now } from "../../src/contract/stream.ts";
import { Gate } from "./pipe.ts";

/** A TUN device whose network is the test. */
export class FakeDevice implements Device {
  readonly name = "fake0";
  readonly mtu: number;
  refused = 0;
  /** What was written to it, as copies. */
  readonly written: Uint8Array[] = [];
  readonly #queue: Uint8Array[] = [];
  readonly #reader = new Gate();
  readonly #writer = new Gate();
  #writable = true;
  #lost: { reason: unknown } | null = null;

  constructor(mtu = 1280) {
    this.mtu = mtu;
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
    this.#queue.push(...packets.map((packet) => packet.slice()));
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

  readBatch(into: Packets, room: Room): Now<number> {
    const count = this.#tryRead(into, room);
    return count > 0 ? count : this.#waitRead(into, room);
  }

  async #waitRead(
    into: Packets,
    room: Room,
  ): Promise<number> {
    for (;;) {
      await this.#reader.wait();
      const count = this.#tryRead(into, room);
      if (count > 0) return count;
    }
  }

  #tryRead(into: Packets, room: Room): number {
    this.#check();
    let count = 0;
    let groupAt = room.lead;
    let at = room.lead + room.headroom;
    while (count < into.offset.length) {
      const next = this.#queue[0];
      if (next === undefined || at + next.length + room.tailroom + room.trail > into.bytes.length) {
        break;
      }
      this.#queue.shift();
      into.bytes.set(next, at);
      into.offset[count] = at;
      into.length[count] = next.length;
      count++;
      at += next.length + room.tailroom;
      if (at - groupAt >= room.group) groupAt = at += room.trail + room.lead;
      at += room.headroom;
    }
    into.count = count;
    return count;
  }

  writeBatch(from: Packets): Now<void> {
    this.#check();
    if (!this.#writable) return this.#waitWrite(from);
    for (let i = 0; i < from.count; i++) {
      const at = from.offset[i]!;
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
