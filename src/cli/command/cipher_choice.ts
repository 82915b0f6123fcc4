import { CIPHER_NAMES, type CipherName } from "../../contract/cipher.ts";

/** Value of --cipher: `auto` leaves it to the speeds of both ends. */
export type CipherChoice = CipherName | "auto";

/** Values of --cipher. */
export const CIPHER_CHOICES: readonly CipherChoice[] = ["auto", ...CIPHER_NAMES];

/** The cipher where both ends must have the same one, as in version 1. */
export function namedCipher(choice: CipherChoice): CipherName {
  return choice === "auto" ? CIPHER_NAMES[0]! : choice;
}
