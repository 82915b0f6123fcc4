import type { QuicEvent } from "./messages.ts";

/** Packets that wait for the other thread; more are dropped. */
const MOST_WAITING = 256;

/** Datagrams of one connection (RFC 9221), in batches: a message between threads costs more than they. */
export class EnginePackets {
  readonly #id: number;
  readonly #conn: Deno.QuicConn;
  readonly #tell: (event: QuicEvent) => void;
  #waiting: Uint8Array[] = [];
  /** Somebody takes them: those of strangers are dropped. */
  #isWanted = false;
  /** The other thread has a batch that it has not taken yet. */
  #isTold = false;

  constructor(id: number, conn: Deno.QuicConn, tell: (event: QuicEvent) => void) {
    this.#id = id;
    this.#conn = conn;
    this.#tell = tell;
    void this.#receiveAll(); // never rejects
  }

  /** Somebody begins to take them, or has taken what was told of. */
  taken(): void {
    this.#isWanted = true;
    this.#isTold = false;
    if (this.#waiting.length > 0) this.#tellOf();
  }

  /** Never rejects. Those that are too long, or for which QUIC has no room, are dropped. */
  async send(packets: readonly Uint8Array[]): Promise<void> {
    for (const packet of packets) {
      await this.#conn.sendDatagram(packet).catch(() => {}); // it counts as one that got lost
    }
    this.#tell({ kind: "packets_sent", id: this.#id, mostPacket: this.#conn.maxDatagramSize });
  }

  async #receiveAll(): Promise<void> {
    try {
      for (;;) {
        const packet = await this.#conn.readDatagram();
        if (!this.#isWanted) continue;
        if (this.#waiting.length >= MOST_WAITING) this.#waiting.shift(); // the oldest is the least wanted
        this.#waiting.push(packet);
        if (!this.#isTold) this.#tellOf();
      }
    } catch {
      // The connection has ended, which its stream tells.
    }
  }

  #tellOf(): void {
    this.#isTold = true;
    this.#tell({ kind: "packets", id: this.#id, packets: this.#waiting });
    this.#waiting = [];
  }
}
