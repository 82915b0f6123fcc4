import { TtunError } from "../../src/base/errors.ts";
import type { Link } from "../../src/contract/link.ts";
import type { PacketLayout, Packets } from "../../src/contract/batch.ts";
import { Gate } from "./pipe.ts";
import { layOut, type Parcel, parcelsIn } from "./v2_pair.ts";

/** Layout of version 2 for super-packets. */
const LAYOUT: PacketLayout = {
  groupHeadroom: 2,
  headroom: 16,
  tailroom: 0,
  groupTailroom: 16,
  group: 16 * 1024,
};

/** A link with super-packets whose other end is the test. */
export class OffloadLink implements Link {
  readonly layout: PacketLayout;
  readonly offload: number;
  readonly sent: Parcel[] = [];
  readonly #queue: Parcel[][] = [];
  readonly #reader = new Gate();
  #end: { error: unknown } | null = null;

  constructor(offload: number, layout = LAYOUT) {
    this.offload = offload;
    this.layout = layout;
  }

  send(batch: Packets): void {
    this.sent.push(...parcelsIn(batch));
    // It is the link's now, all of it.
    for (let i = 0; i < batch.count; i++) {
      const at = batch.offset[i]!;
      batch.bytes.fill(0xdd, at - this.layout.headroom, at + batch.length[i]!);
    }
  }

  limitUnsent(): void {}

  /** Lets the peer send a batch. */
  deliver(...parcels: Parcel[]): void {
    this.#queue.push(parcels);
    this.#reader.open();
  }

  /** Lets the peer end the link, or breaks it. */
  end(error: unknown = null): void {
    this.#end = { error };
    this.#reader.open();
  }

  onReceivable(run: () => void): void {
    this.#reader.wait().then(run);
  }

  recvNow(into: Packets): number | undefined {
    const next = this.#queue.shift();
    if (next === undefined && this.#end === null) return undefined;
    if (next === undefined && this.#end!.error !== null) throw this.#end!.error;
    const batch = layOut(next ?? [], (i) => 10 + 3 * i);
    into.bytes = batch.bytes;
    into.offset.set(batch.offset);
    into.length.set(batch.length);
    into.hasHeader.set(batch.hasHeader);
    return into.count = batch.count;
  }

  // deno-lint-ignore require-await -- the contract's close is asynchronous elsewhere
  async [Symbol.asyncDispose](): Promise<void> {
    this.end(new TtunError("lost", "the link was closed here"));
  }
}
