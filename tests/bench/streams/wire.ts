/** Protocol of the streams' load (load.ts) and its target (target.ts). */

/** The first byte of a connection says what its target does: gives everything back, */
export const ECHO = 1;
/** sends without end, */
export const SEND = 2;
/** or takes what comes. */
export const TAKE = 3;

/** On all addresses of its host. */
export const TARGET_PORT = 9000;

/** Bytes of a small stream's message, which come back. */
export const MESSAGE = 64;

/** Of a bulk stream in a row: the small ones of the same program do not wait for more. */
export const BULK_CALLS = 1;
