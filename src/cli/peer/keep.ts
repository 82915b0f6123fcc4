/** Milliseconds that --keep goes on without a connection. */
export const KEEP_MS = 600_000;
