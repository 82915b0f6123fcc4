/** Bytes of a datagram: what Ethernet carries over IPv6. */
export const MOST_DATAGRAM = 1500 - 40 - 8;

/** Bytes of head, tag and frame type. */
const OVERHEAD = 25;

/** The longest packet, in bytes, that a datagram carries. */
export const LONGEST_UDP_PACKET = MOST_DATAGRAM - OVERHEAD;
