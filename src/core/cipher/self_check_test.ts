import { match, strictEqual } from "node:assert/strict";
import { type Cipher, CIPHER_NAMES, type CipherFactory } from "../../contract/cipher.ts";
import { findDisagreement } from "./self_check.ts";
import { makePureCipher } from "./pure_cipher.ts";

Deno.test("findDisagreement() has nothing to say of the pure implementation", () => {
  strictEqual(findDisagreement(makePureCipher), null);
});

Deno.test("findDisagreement() finds a cipher that takes any tag", () => {
  match(found((cipher) => ({ ...forwarding(cipher), open: openAny(cipher) })), /takes a wrong tag/);
});

Deno.test("findDisagreement() finds a cipher that refuses what is right", () => {
  match(
    found((cipher) => ({ ...forwarding(cipher), open: () => false })),
    /refuses a known record/,
  );
});

Deno.test("findDisagreement() finds a cipher that leaves the text as it is", () => {
  match(found((cipher) => ({ ...forwarding(cipher), seal: () => {} })), /seals a known text/);
});

Deno.test("findDisagreement() finds a cipher that forgets the associated data of an empty text", () => {
  const wrong = found((cipher) => ({
    ...forwarding(cipher),
    seal: (nonce, aad, buf, start, end, tagAt) =>
      cipher.seal(nonce, start === end ? null : aad, buf, start, end, tagAt),
  }));
  match(wrong, /seals otherwise than the pure implementation \(0 bytes, 13 of associated data\)/);
});

Deno.test("findDisagreement() finds a swap of the two ciphers", () => {
  const wrong = findDisagreement((name, key) =>
    makePureCipher(CIPHER_NAMES.find((other) => other !== name)!, key)
  );
  match(String(wrong), /^chacha20-poly1305: seals a known text to other bytes$/);
});

function found(spoil: (right: Cipher) => Cipher): string {
  const factory: CipherFactory = (name, key) => spoil(makePureCipher(name, key));
  return String(findDisagreement(factory));
}

function forwarding(cipher: Cipher): Cipher {
  return {
    tagSize: cipher.tagSize,
    seal: (...args) => cipher.seal(...args),
    open: (...args) => cipher.open(...args),
    [Symbol.dispose]: () => cipher[Symbol.dispose](),
  };
}

/** Decrypts by sealing, which is the same stream, and never looks at the tag. */
function openAny(cipher: Cipher): Cipher["open"] {
  return (nonce, aad, buf, start, end, tagAt) => {
    cipher.seal(nonce, aad, buf, start, end, tagAt);
    return true;
  };
}
