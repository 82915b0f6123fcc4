import type { PacketWay } from "../../src/contract/packet_way.ts";

/** Both ends of packets beside a connection, and what is done to those that are on their way. */
export class MemoryPackets {
  readonly ends: [PacketWay, PacketWay];
  /** Packets of either direction so far, as they were sent. */
  readonly sent: Uint8Array[] = [];
  mostBytes = 1200;
  /** Returns what arrives of a packet, and in which order; by default it alone. */
  change = (packet: Uint8Array): readonly Uint8Array[] => [packet];

  constructor() {
    const takers: ((packet: Uint8Array) => void)[] = [() => {}, () => {}];
    const end = (own: number): PacketWay => {
      const most = () => this.mostBytes;
      return {
        get mostBytes() {
          return most();
        },
        send: (packet) => {
          this.sent.push(packet.slice());
          const arriving = this.change(packet).map((one) => one.slice());
          queueMicrotask(() => {
            for (const one of arriving) takers[1 - own]!(one);
          });
          return true;
        },
        onPacket: (take) => void (takers[own] = take),
      };
    };
    this.ends = [end(0), end(1)];
  }
}
