import { ProtocolError, TtunError } from "../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../contract/cipher.ts";
import { FIXED, LONGEST_TEXT, MAX_RANDOM, MAX_RANDOM_SENT, MIN_RANDOM } from "./frame_sizes.ts";
import type { MinuteKeys } from "./keys.ts";
import { Marker } from "./mark.ts";
import type { RandomBlock } from "./random_pool.ts";

/**
 * Frames of tt, generations G2 and G3 (docs/wire/tt-v1.md, 2.1). R = rs random bytes, X = the mask,
 * K = the key, L = bytes of text:
 *
 *     u8 rs XOR X[R[0] mod 32] | R | u8 (L >> 8) XOR X[R[0] mod 32] | u8 (L & 255) XOR X[R[1] mod 32]
 *     | 16-byte tag | ciphertext
 *
 * The nonce is R[0..12), the rest of R is padding. The associated data is K[0..8), a constant: what
 * stands before the tag is not authenticated, but for the nonce.
 */
const AAD_SIZE = 8;
const MASK_INDEX = 31;
const NO_TEXT = new Uint8Array();

/** Keys for the frames of one minute, both ways, in all connections. */
export class FrameSecrets implements Disposable {
  readonly cipher: Cipher;
  readonly aad: Uint8Array;
  readonly mask: Uint8Array;
  readonly marker: Marker;
  /** Copying the nonce costs less than a view of it. */
  readonly #nonce = new Uint8Array(NONCE_SIZE);

  /** The keys are copied; the caller keeps its own. */
  constructor(
    keys: Pick<MinuteKeys, "aeadKey" | "mask">,
    name: CipherName,
    makeCipher: CipherFactory,
  ) {
    this.cipher = makeCipher(name, keys.aeadKey);
    this.aad = keys.aeadKey.slice(0, AAD_SIZE);
    this.mask = keys.mask.slice();
    this.marker = new Marker(keys.aeadKey);
  }

  /** Copies `bytes[at..at+12)`; the copy is good until the next one. */
  nonceAt(bytes: Uint8Array, at: number): Uint8Array {
    for (let i = 0; i < NONCE_SIZE; i++) this.#nonce[i] = bytes[at + i]!;
    return this.#nonce;
  }

  [Symbol.dispose](): void {
    this.cipher[Symbol.dispose]();
    this.marker[Symbol.dispose]();
    this.aad.fill(0);
    this.mask.fill(0);
  }
}

/** Seals frames. Secrets and random bytes are the caller's, and may serve many sealers. */
export class FrameSealer {
  readonly #secrets: FrameSecrets;
  readonly #random: RandomBlock;

  constructor(secrets: FrameSecrets, random: RandomBlock) {
    this.#secrets = secrets;
    this.#random = random;
  }

  /**
   * Writes a frame from `at` on, at most `FRAME_ROOM` and the text, and returns its end. R, 12 to
   * 32 bytes, is drawn here; or it is `random` (12 to 255), whose first 12 must be new to this key.
   * The text is borrowed and not in `into`.
   * @throws {ProtocolError} when the text is empty or longer than 65535 bytes
   */
  seal(text: Uint8Array, into: Uint8Array, at: number, random?: Uint8Array): number {
    const { length } = text;
    if (!(length >= 1 && length <= LONGEST_TEXT)) {
      throw new ProtocolError(`Cannot seal a frame of ${length} bytes: 1 to ${LONGEST_TEXT} fit`);
    }
    return this.#seal(text, into, at, random);
  }

  /** Seals a frame without a text: the end of a stream, for a peer whose connections last. */
  sealEnd(into: Uint8Array, at: number): number {
    return this.#seal(NO_TEXT, into, at);
  }

  #seal(text: Uint8Array, into: Uint8Array, at: number, random?: Uint8Array): number {
    const { length } = text;
    const size = random?.length ??
      MIN_RANDOM + this.#random.below(MAX_RANDOM_SENT - MIN_RANDOM + 1);
    const textAt = at + FIXED + size;
    checkPlace(into.length, at, textAt + length, size);
    if (random !== undefined) into.set(random, at + 1);
    else this.#random.fill(into, at + 1, size);
    const { cipher, aad, mask } = this.#secrets;
    const high = mask[into[at + 1]! & MASK_INDEX]!;
    const low = mask[into[at + 2]! & MASK_INDEX]!;
    into[at] = size ^ high;
    into[at + 1 + size] = (length >>> 8) ^ high;
    into[at + 2 + size] = (length & 0xff) ^ low;
    const nonce = this.#secrets.nonceAt(into, at + 1);
    cipher.seal(nonce, aad, into, textAt, textAt + length, textAt - TAG_SIZE, text);
    return textAt + length;
  }
}

/** Checks before a byte is written: half a frame is of no use to anybody. */
function checkPlace(room: number, at: number, end: number, random: number): void {
  const isRandom = random >= MIN_RANDOM && random <= MAX_RANDOM;
  const isInside = Number.isInteger(at) && at >= 0 && end <= room;
  if (!isRandom || !isInside) {
    throw new TtunError(
      "internal",
      `Cannot seal a frame at ${at}..${end} with ${random} random bytes in ${room} bytes`,
    );
  }
}

/** Returned by `measureFrame` while the header is not whole. */
export const NEEDS_MORE = 0;
/** Returned by `measureFrame` for a frame that cannot be, or is longer than allowed. */
export const IMPOSSIBLE = -1;

/**
 * Measures the frame at `at`, or returns one of the two numbers above. Two bytes show if R has room
 * for a nonce, 3 + rs the rest. `leastText` 0 allows an empty text: no existing program sends one,
 * and their readers stall.
 */
export function measureFrame(
  mask: Uint8Array,
  bytes: Uint8Array,
  at: number,
  end: number,
  mostText: number,
  leastText = 1,
): number {
  if (end - at < 2) return NEEDS_MORE;
  const high = mask[bytes[at + 1]! & MASK_INDEX]!;
  const random = bytes[at]! ^ high;
  if (random < MIN_RANDOM) return IMPOSSIBLE;
  if (end - at < 3 + random) return NEEDS_MORE;
  const low = mask[bytes[at + 2]! & MASK_INDEX]!;
  const text = ((bytes[at + 1 + random]! ^ high) << 8) | (bytes[at + 2 + random]! ^ low);
  return text < leastText || text > mostText ? IMPOSSIBLE : FIXED + random + text;
}

/**
 * Opens what `measureFrame` has measured. Returns the length of the text, at the front of `into`;
 * -1 = wrong tag, and rubbish there. `into` has room for the frame, outside of `bytes`.
 */
export function openFrame(
  secrets: FrameSecrets,
  bytes: Uint8Array,
  at: number,
  size: number,
  into: Uint8Array,
): number {
  const { cipher, aad, mask } = secrets;
  const end = at + size;
  if (measureFrame(mask, bytes, at, end, LONGEST_TEXT, 0) !== size) {
    throw new TtunError("internal", `Cannot open a frame of ${size} bytes: its header says other`);
  }
  const textAt = at + FIXED + randomSize(mask, bytes, at);
  const nonce = secrets.nonceAt(bytes, at + 1);
  const isRight = cipher.open(nonce, aad, bytes, textAt, end, textAt - TAG_SIZE, into);
  return isRight ? end - textAt : -1;
}

function randomSize(mask: Uint8Array, bytes: Uint8Array, at: number): number {
  return bytes[at]! ^ mask[bytes[at + 1]! & MASK_INDEX]!;
}

export function textOf(size: number, random: number): number {
  return size - FIXED - random;
}

/** Returns R of the frame at `at`: a view, nonce first. */
export function randomOf(mask: Uint8Array, bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + 1, at + 1 + randomSize(mask, bytes, at));
}

/** Opens a stream's frames, none after one that fails: nothing tells where the next begins. */
export class FrameOpener {
  readonly #secrets: FrameSecrets;
  #isDamaged = false;

  constructor(secrets: FrameSecrets) {
    this.#secrets = secrets;
  }

  /** Measures the frame at `at`; null when its header is not whole. @throws {ProtocolError} */
  sizeAt(bytes: Uint8Array, at: number, end: number, leastText = 1): number | null {
    const size = measureFrame(this.#secrets.mask, bytes, at, end, LONGEST_TEXT, leastText);
    if (this.#isDamaged || size === IMPOSSIBLE) throw this.#damaged();
    return size === NEEDS_MORE ? null : size;
  }

  /** Opens a frame like `openFrame`. @throws {ProtocolError} on a wrong tag */
  open(bytes: Uint8Array, at: number, size: number, into: Uint8Array): number {
    if (this.#isDamaged) throw this.#damaged();
    const length = openFrame(this.#secrets, bytes, at, size, into);
    if (length < 0) throw this.#damaged();
    return length;
  }

  textAt(bytes: Uint8Array, at: number, size: number): number {
    return textOf(size, randomSize(this.#secrets.mask, bytes, at));
  }

  /** Returns R of a frame whose header is whole: a view, nonce first. */
  randomAt(bytes: Uint8Array, at: number): Uint8Array {
    return randomOf(this.#secrets.mask, bytes, at);
  }

  /** Wrong headers and wrong tags look alike to an attacker. */
  #damaged(): ProtocolError {
    this.#isDamaged = true;
    return new ProtocolError("Cannot open a frame: wrong key or cipher, or damaged bytes");
  }
}
