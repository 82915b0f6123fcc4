import { NONCE_SIZE, TAG_SIZE } from "../../contract/cipher.ts";

// Sizes of tt's frames in bytes (docs/wire/tt-v1.md, 2.1): apart from the frames, since the command
// line needs them too, and shall not load what they are made with.

/** Two lengths and the tag. */
export const FIXED = 3 + TAG_SIZE;

/** Bytes of R: the fewest that anybody may send, for they hold the nonce. */
export const MIN_RANDOM = NONCE_SIZE;
/** The most that the existing programs send, and we. */
export const MAX_RANDOM_SENT = 32;
/** The most that the header can say; taken from anybody. */
export const MAX_RANDOM = 255;

/** Room that a sealer needs before a text where it draws R itself. */
export const FRAME_ROOM = FIXED + MAX_RANDOM_SENT;
/** Room before a text for the longest R of a caller's. */
export const MAX_FRAME_ROOM = FIXED + MAX_RANDOM;

/** All that the header can say. */
export const LONGEST_TEXT = 0xffff;
/** The longest text for a peer that has not shown the mark (mark.ts). */
export const MAX_TEXT_OLD = 4036;
/** The longest frame for such a peer, with however much R: a longer one ends the connection. */
export const MAX_FRAME_OLD = 4096;
/** The longest text for a peer that has shown the mark. */
export const MAX_TEXT = 65_519;

/** The longest frame of all. */
export const LONGEST_FRAME = MAX_FRAME_ROOM + LONGEST_TEXT;
