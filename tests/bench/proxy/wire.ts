/** Protocol of the load (load.ts) and its target (target.ts). */

export const TARGET = { host: "127.0.0.1", port: 9000 };

/**
 * A request says by its first byte what is to come: an answer, bytes without end, nothing, or an
 * answer to each further one.
 */
export const ANSWER = 1;
export const SEND = 2;
export const TAKE = 3;
/** Each further request is answered too. */
export const ECHO = 4;

/** Bytes of a request, and of the answer to it. */
export const MESSAGE = 100;

/** Bytes moved at once: enough for the load's own calls to cost next to nothing. */
export const CHUNK = 256 * 1024;
