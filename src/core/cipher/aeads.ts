import { gcm } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { fromHex, utf8 } from "../../base/bytes.ts";
import type { CipherName } from "../../contract/cipher.ts";

/** One record's AEAD as @noble has it; its result is the text's counterpart, then the tag. */
export type Aead = (key: Uint8Array, nonce: Uint8Array, aad?: Uint8Array) => {
  encrypt(text: Uint8Array): Uint8Array;
  decrypt(sealed: Uint8Array): Uint8Array;
};

interface KnownAnswer {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly text: Uint8Array;
  /** The sealed text, then the tag. */
  readonly sealed: Uint8Array;
}

/** The primitive of each AEAD, and the answer that shows that an implementation has it right. */
export const AEADS: Readonly<Record<CipherName, { aead: Aead; knownAnswer: KnownAnswer }>> = {
  "chacha20-poly1305": {
    aead: chacha20poly1305,
    // RFC 8439 section 2.8.2
    knownAnswer: {
      key: fromHex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
      nonce: fromHex("070000004041424344454647"),
      aad: fromHex("50515253c0c1c2c3c4c5c6c7"),
      text: utf8(
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the " +
          "future, sunscreen would be it.",
      ),
      sealed: fromHex(
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6" +
          "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36" +
          "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
          "3ff4def08e4b7a9de576d26586cec64b6116" +
          "1ae10b594f09e26a7e902ecbd0600691",
      ),
    },
  },
  "aes-256-gcm": {
    aead: gcm,
    // McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, test case 16
    knownAnswer: {
      key: fromHex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
      nonce: fromHex("cafebabefacedbaddecaf888"),
      aad: fromHex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
      text: fromHex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      ),
      sealed: fromHex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
          "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662" +
          "76fc6ece0f4e1768cddf8853bb2d551b",
      ),
    },
  },
};
