import { constantTimeEqual } from "../../base/bytes.ts";
import { fromLatin1, toLatin1 } from "../../base/latin1.ts";

/** Costs of scrypt (RFC 7914); N = 2^logN. */
export interface ScryptCosts {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** A password of which only the hash is known. */
export interface PasswordHash extends ScryptCosts {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export type Scrypt = (
  password: Uint8Array,
  salt: Uint8Array,
  costs: ScryptCosts,
  length: number,
) => Uint8Array;

/** Costs of hashes that are made here: 16 MiB, and some 30 ms of a processor. */
export const PASSWORD_COSTS: ScryptCosts = { logN: 14, r: 8, p: 1 };

const SALT_SIZE = 16;
const HASH_SIZE = 32;

/** Bytes that one check may take: a file's hash must not be able to stop an agent. */
const MOST_MEMORY = 32 * 1024 * 1024;

/** Beginning of a hash in the form of PHC, which passlib and others read and write too. */
export const PASSWORD_HASH = "$scrypt$";

const FORM =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** `salt`: 16 random bytes. */
export function hashPassword(password: Uint8Array, salt: Uint8Array, scrypt: Scrypt): PasswordHash {
  if (salt.length !== SALT_SIZE) throw new RangeError("Cannot hash: the salt has another size");
  return { ...PASSWORD_COSTS, salt, hash: scrypt(password, salt, PASSWORD_COSTS, HASH_SIZE) };
}

export function isPassword(password: Uint8Array, known: PasswordHash, scrypt: Scrypt): boolean {
  const { salt, hash } = known;
  return constantTimeEqual(scrypt(password, salt, known, hash.length), hash);
}

export function formatPasswordHash({ logN, r, p, salt, hash }: PasswordHash): string {
  return `${PASSWORD_HASH}ln=${logN},r=${r},p=${p}$${encode(salt)}$${encode(hash)}`;
}

/** Null = it is none, or one whose check would take too much. */
export function parsePasswordHash(text: string): PasswordHash | null {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [logN, r, p] = match.slice(1, 4).map(Number) as [number, number, number];
  const [salt, hash] = [decode(match[4]!), decode(match[5]!)];
  if (logN < 1 || r < 1 || p < 1 || salt === null || hash === null) return null;
  return 128 * 2 ** logN * r * p > MOST_MEMORY ? null : { logN, r, p, salt, hash };
}

function encode(bytes: Uint8Array): string {
  return btoa(fromLatin1(bytes)).replace(/=+$/, "");
}

function decode(text: string): Uint8Array | null {
  return text.length % 4 === 1 ? null : toLatin1(atob(text));
}
