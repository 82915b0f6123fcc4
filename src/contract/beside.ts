import type { Stream } from "./stream.ts";

/** Further streams of a connection, which end with it. None holds another one up. */
export interface StreamsBeside {
  /** Opens another stream, which lives under the connection's signal. @throws {TtunError} lost */
  open(): Promise<Stream>;
  /** Has `take` get the streams that the other end opens, which are the callee's from then on. */
  onOpened(take: (stream: Stream) => void): void;
}

/** Packets beside a connection's stream, which may get lost, come twice or in another order. */
export interface PacketWay {
  /** Bytes that a packet may have now. */
  readonly mostBytes: number;
  /** Returns false for a packet that is dropped here. The bytes are the callee's from now on. */
  send(packet: Uint8Array): boolean;
  /** Has `take` get what comes; what has come before is dropped. */
  onPacket(take: (packet: Uint8Array) => void): void;
}
