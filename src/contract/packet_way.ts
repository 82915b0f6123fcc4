/** Packets beside a connection's stream, which may get lost, come twice or in another order. */
export interface PacketWay {
  /** Bytes that a packet may have now. */
  readonly mostBytes: number;
  /** Returns false for a packet that is dropped here. The bytes are the callee's from now on. */
  send(packet: Uint8Array): boolean;
  /** Has `take` get what comes, which is its own from then on; it replaces an earlier one. */
  onPacket(take: (packet: Uint8Array) => void): void;
}
