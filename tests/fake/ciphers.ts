import type { Cipher, CipherFactory } from "../../src/contract/cipher.ts";
import { makePureCipher } from "../../src/core/cipher/pure_cipher.ts";

/** A factory that knows which of its ciphers were not disposed of. */
export class CountedCiphers {
  made = 0;
  readonly #live = new Set<Cipher>();

  get live(): number {
    return this.#live.size;
  }

  readonly factory: CipherFactory = (name, key) => {
    const inner = makePureCipher(name, key);
    const cipher: Cipher = {
      tagSize: inner.tagSize,
      seal: (...args) => inner.seal(...args),
      open: (...args) => inner.open(...args),
      [Symbol.dispose]: () => {
        inner[Symbol.dispose]();
        this.#live.delete(cipher);
      },
    };
    this.made++;
    this.#live.add(cipher);
    return cipher;
  };
}
