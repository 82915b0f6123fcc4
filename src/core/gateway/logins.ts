import { parsePasswordHash, PASSWORD_HASH, type PasswordHash } from "./password_hash.ts";

/** A login of whose password only a hash is known. */
export interface SlowLogin {
  readonly name: string;
  readonly password: PasswordHash;
}

export interface Logins {
  /** NAME:PASSWORD. */
  readonly plain: readonly string[];
  readonly slow: readonly SlowLogin[];
}

/**
 * Reads lines of NAME:PASSWORD, or of NAME and a password's hash; empty ones and those that begin with
 * # are left out. Null = it is something else.
 */
export function readLogins(text: string): Logins | null {
  const lines = text.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  const plain: string[] = [];
  const slow: SlowLogin[] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) return null;
    const written = line.slice(colon + 1);
    if (!written.startsWith(PASSWORD_HASH)) {
      plain.push(line);
      continue;
    }
    const password = parsePasswordHash(written);
    if (password === null) return null;
    slow.push({ name: line.slice(0, colon), password });
  }
  return lines.length === 0 ? null : { plain, slow };
}
