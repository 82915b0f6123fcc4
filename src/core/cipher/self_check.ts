import { constantTimeEqual } from "../../base/bytes.ts";
import {
  type Cipher,
  CIPHER_NAMES,
  type CipherFactory,
  type CipherName,
  KEY_SIZE,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";
import { AEADS } from "./aeads.ts";
import { makePureCipher } from "./pure_cipher.ts";

/**
 * Checks an implementation: a published answer both ways, agreement with the pure one, a wrong tag.
 * Returns the difference as the end of a sentence; null = none. Throws the implementation's errors.
 */
export function findDisagreement(makeCipher: CipherFactory): string | null {
  for (const name of CIPHER_NAMES) {
    const wrong = checkKnownAnswer(makeCipher, name) ?? checkAgreement(makeCipher, name);
    if (wrong !== null) return `${name}: ${wrong}`;
  }
  return null;
}

function checkKnownAnswer(makeCipher: CipherFactory, name: CipherName): string | null {
  const { key, nonce, aad, text, sealed } = AEADS[name].knownAnswer;
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

/** Compares both on odd offsets: a tag, 3 bytes that must stay as they are, then the text. */
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

function pattern(size: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 167 + (i >> 8) * 29 + seed * 73) & 0xff);
}
