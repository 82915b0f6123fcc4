/**
 * A way for packets between this end and one peer. They arrive in order, and none is lost while the
 * link is up; when it goes down, those under way are lost. Its owner is the transport.
 */
export interface PacketLink {
  /** Name of the other end for logs. */
  readonly peer: string;
  /** Largest packet that `send` takes, in bytes. */
  readonly maxPacketBytes: number;
  /** False before the first `up`, and after `down`. */
  readonly isUp: boolean;
  /**
   * Sends a packet, borrowed for the call. False = it was not sent, as there is no room or the link
   * is down: `room` or `down` is told later.
   */
  send(packet: Uint8Array<ArrayBuffer>): boolean;
  /** Tells events from now on, never from within `send`; it replaces the earlier events. */
  listen(events: PacketLinkEvents): void;
}

/** They must not throw. */
export interface PacketLinkEvents {
  /** A packet has come; its bytes are lent for the call. */
  packet(bytes: Uint8Array<ArrayBuffer>): void;
  /** There may be room again; only after `send` returned false. */
  room(): void;
  up(): void;
  down(): void;
}
