import { constantTimeEqual, fromHex, utf8 } from "../../base/bytes.ts";
import {
  type Cipher,
  CIPHER_NAMES,
  type CipherFactory,
  type CipherName,
  KEY_SIZE,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";
import { makePureCipher } from "./pure_cipher.ts";

/**
 * Whether an implementation may be trusted with packets: a published answer per cipher in both
 * directions, then agreement with the pure implementation, then a wrong tag. Takes some
 * milliseconds, once. What was thrown by the implementation goes through.
 * @returns what was wrong, as the end of a sentence; null when nothing was.
 */
export function findDisagreement(makeCipher: CipherFactory): string | null {
  for (const name of CIPHER_NAMES) {
    const wrong = checkKnownAnswer(makeCipher, name) ?? checkAgreement(makeCipher, name);
    if (wrong !== null) return `${name}: ${wrong}`;
  }
  return null;
}

interface KnownAnswer {
  key: Uint8Array;
  nonce: Uint8Array;
  aad: Uint8Array;
  text: Uint8Array;
  /** The sealed text, then the tag. */
  sealed: Uint8Array;
}

const KNOWN_ANSWERS: Readonly<Record<CipherName, KnownAnswer>> = {
  // RFC 8439 section 2.8.2
  "chacha20-poly1305": {
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
  // McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, test case 16
  "aes-256-gcm": {
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
};

function checkKnownAnswer(makeCipher: CipherFactory, name: CipherName): string | null {
  const { key, nonce, aad, text, sealed } = KNOWN_ANSWERS[name];
  using cipher = makeCipher(name, key);
  const buf = new Uint8Array(sealed.length);
  buf.set(text);
  cipher.seal(nonce, aad, buf, 0, text.length, text.length);
  if (!constantTimeEqual(buf, sealed)) return "seals a known text to other bytes";
  if (!cipher.open(nonce, aad, buf, 0, text.length, text.length)) return "refuses a known record";
  if (!constantTimeEqual(buf.subarray(0, text.length), text)) {
    return "opens a known record to other bytes";
  }
  return null;
}

/** Few, as a start should take milliseconds: the edges of the blocks (16, 64), and a packet. */
const TEXT_SIZES = [0, 1, 16, 65, 1280];
const AAD_SIZES = [0, 13];

function checkAgreement(makeCipher: CipherFactory, name: CipherName): string | null {
  const key = pattern(KEY_SIZE, 1);
  using cipher = makeCipher(name, key);
  using pure = makePureCipher(name, key);
  for (const textSize of TEXT_SIZES) {
    for (const aadSize of AAD_SIZES) {
      const wrong = compare(cipher, pure, textSize, aadSize === 0 ? null : pattern(aadSize, 3));
      if (wrong !== null) return `${wrong} (${textSize} bytes, ${aadSize} of associated data)`;
    }
  }
  return null;
}

/** Layout: tag, 3 bytes that nobody may touch, text. Odd offsets on purpose. */
function compare(
  cipher: Cipher,
  pure: Cipher,
  size: number,
  aad: Uint8Array | null,
): string | null {
  const nonce = pattern(NONCE_SIZE, size);
  const start = TAG_SIZE + 3;
  const end = start + size;
  const plain = pattern(end, 5);
  const [mine, wanted] = [plain.slice(), plain.slice()];
  cipher.seal(nonce, aad, mine, start, end, 0);
  pure.seal(nonce, aad, wanted, start, end, 0);
  if (!constantTimeEqual(mine, wanted)) return "seals otherwise than the pure implementation";

  const forged = mine.slice();
  forged[TAG_SIZE - 1]! ^= 1;
  if (cipher.open(nonce, aad, forged, start, end, 0)) return "takes a wrong tag";

  const opened = cipher.open(nonce, aad, mine, start, end, 0);
  const same = constantTimeEqual(mine.subarray(TAG_SIZE), plain.subarray(TAG_SIZE));
  return opened && same ? null : "does not open what it sealed";
}

/** Bytes that repeat late and differ by `seed`; the self-test is the same on every run. */
function pattern(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 167 + (i >> 8) * 29 + seed * 73) & 0xff);
}
