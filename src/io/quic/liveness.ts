/** Milliseconds between packets that keep an idle connection, and the mappings of NATs on its way. */
export const KEEP_ALIVE_MS = 2_000;

/**
 * Milliseconds without a packet after which a connection is lost, and a dial has failed: the other end's
 * process was killed, or the path is gone, and no packet tells of it, as RST does in TCP.
 */
export const SILENCE_MS = 6_000;
