/** Bytes of a value. */
export const MAX_VALUE = 64 << 10;
/** Characters of a key. */
export const MAX_KEY = 512;
/** Bytes of all keys and values, with ROW_BYTES for each. */
export const MAX_BYTES = 256 << 20;
export const ROW_BYTES = 64;
/** Milliseconds that a session may live without being renewed. */
export const SESSION_MS = { min: 5_000, max: 120_000 } as const;
export const MAX_SESSIONS = 10_000;
/** Keys of a session: they vanish by one command, whose changes fit in one message. */
export const MAX_SESSION_KEYS = 256;
/** Milliseconds that a key may live. */
export const TTL_MS = { min: 1_000, max: 30 * 24 * 3_600_000 } as const;
/** Entries of one page, and the bytes at which it ends early. */
export const MAX_PAGE = 1_000;
export const PAGE_BYTES = 256 << 10;
/** Requests that wait for the disk. */
export const MAX_WAITING = 4_096;
/** Writes that one commit takes. */
export const MAX_COMMIT = 256;
/** Requests whose answers are kept, for those that are repeated. */
export const MAX_DONE = 20_000;
export const MAX_REQUEST_ID = 128;

const KEY = /^[A-Za-z0-9._-]{1,253}(?:\/[A-Za-z0-9._-]{1,253})*$/;
const PREFIX = /^[A-Za-z0-9._/-]{0,512}$/;

/** Tells what is wrong with a key, or null. */
export function keyProblem(key: string): string | null {
  if (key.length > MAX_KEY) return `A key has at most ${MAX_KEY} characters`;
  if (KEY.test(key)) return null;
  return "A key is made of parts between slashes, each of letters, digits, dots, _ and -";
}

export function prefixProblem(prefix: string): string | null {
  return PREFIX.test(prefix) ? null : "A prefix has characters that no key has, or is too long";
}
