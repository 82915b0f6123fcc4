/** How many packets one batch holds at the most. */
export const BATCH_PACKETS = 128;

/** The largest IP packet. A read never gets less room, whatever the device's MTU has become. */
export const MAX_PACKET = 65_535;

/** An empty batch with an arena of `size` bytes (contract/packet.ts says what the fields mean). */
export function makePackets(
  size: number,
): { bytes: Uint8Array; count: number; offset: Int32Array; length: Int32Array } {
  return {
    bytes: new Uint8Array(size),
    count: 0,
    offset: new Int32Array(BATCH_PACKETS),
    length: new Int32Array(BATCH_PACKETS),
  };
}
