/** Bytes of a piece, which has a SHA-256 of its own; a file's last one may be shorter. */
export const PIECE = 1024 * 1024;

export function pieceCount(size: number): number {
  return Math.ceil(size / PIECE);
}

/** Returns the bytes of a piece of a file of this size. */
export function pieceSize(piece: number, size: number): number {
  return Math.min(PIECE, size - piece * PIECE);
}

/**
 * Returns how many pieces of a file can be there where `there` bytes are: whole ones, and the last
 * one where nothing is missing.
 */
export function piecesThere(there: number, size: number): number {
  return there === size ? pieceCount(size) : Math.floor(Math.min(there, size) / PIECE);
}
