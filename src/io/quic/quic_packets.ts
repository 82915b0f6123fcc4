import type { PacketWay } from "../../contract/packet_way.ts";
import type { QuicEvent } from "./messages.ts";
import type { QuicHost } from "./quic_host.ts";

/** Packets that have been given to the engine and have not left, and as many that wait; more are dropped. */
const MOST_WAITING = 256;

/** The datagrams of a connection, in batches: a message to the engine costs more than they. */
export class QuicPackets implements PacketWay {
  readonly #host: QuicHost;
  readonly #id: number;
  #mostBytes: number;
  #waiting: Uint8Array[] = [];
  /** The engine has a batch. */
  #isSending = false;
  #isScheduled = false;
  #isOver = false;
  #onPacket: ((packet: Uint8Array) => void) | null = null;

  constructor(host: QuicHost, id: number, mostBytes: number) {
    this.#host = host;
    this.#id = id;
    this.#mostBytes = mostBytes;
  }

  get mostBytes(): number {
    return this.#mostBytes;
  }

  send(packet: Uint8Array): boolean {
    if (this.#isOver || packet.length > this.#mostBytes) return false;
    if (this.#waiting.length >= MOST_WAITING) return false;
    this.#waiting.push(packet);
    if (this.#isSending || this.#isScheduled) return true;
    this.#isScheduled = true;
    this.#host.soon(() => {
      this.#isScheduled = false;
      this.#flush();
    });
    return true;
  }

  onPacket(take: (packet: Uint8Array) => void): void {
    const isFirst = this.#onPacket === null;
    this.#onPacket = take;
    if (isFirst && !this.#isOver) this.#host.send({ kind: "packets_taken", id: this.#id });
  }

  take(event: QuicEvent): boolean {
    if (this.#isOver) return true;
    if (event.kind === "packets_sent") {
      this.#mostBytes = event.mostPacket;
      this.#isSending = false;
      this.#flush();
    } else if (event.kind === "packets") {
      for (const packet of event.packets) this.#onPacket?.(packet);
      if (!this.#isOver) this.#host.send({ kind: "packets_taken", id: this.#id });
      return false;
    }
    return true;
  }

  end(): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#onPacket = null;
  }

  #flush(): void {
    if (this.#isOver || this.#isSending || this.#waiting.length === 0) return;
    this.#isSending = true;
    this.#host.send({ kind: "packets", id: this.#id, packets: this.#waiting });
    this.#waiting = [];
  }
}
