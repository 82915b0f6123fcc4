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
  /** The nonce of the frame at hand: copying it costs less than a view of it. */
  readonly #nonce = new Uint8Array(NONCE_SIZE);

  /** The keys are copied. */
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

  /** A copy of `bytes[at..at+12)`, good until the next one. */
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
   * Writes the frame of a text to `into`, from `at` on, and returns where it ends; `FRAME_ROOM` and
   * the text is what it takes at the most. R, 12 to 32 bytes, is drawn here; or it is `random` (12
   * to 255 bytes), whose first 12 must never have been used with this key. The text is borrowed and
   * must not lie in `into`.
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

/** Before a byte is written: half a frame is of no use to anybody. */
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

/** Result of `measureFrame` if the header is not whole yet. */
export const NEEDS_MORE = 0;
/** Its result for a frame that cannot be, or is longer than allowed. */
export const IMPOSSIBLE = -1;

/**
 * Size of the frame that begins at `at`, as its header tells; or one of the two numbers above.
 * Two bytes are enough to see that R has no room for a nonce, 3 + rs for the rest. An empty text
 * is impossible, unless `leastText` is 0: no existing program sends one, and their readers stall.
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
 * Opens the frame of that size, which `measureFrame` has told of these very bytes, and returns how
 * long its text is, which is at the front of `into` then; or -1 on a wrong tag, and what is there is
 * nothing. `into` has room for all of the frame, and does not lie in `bytes`, which stay as they are.
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

/** Bytes of the text in a frame of that size with so many random bytes. */
export function textOf(size: number, random: number): number {
  return size - FIXED - random;
}

/** R of the frame that begins at `at`: a view, nonce first. */
export function randomOf(mask: Uint8Array, bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + 1, at + 1 + randomSize(mask, bytes, at));
}

/**
 * Finds and opens the frames of a stream in a buffer that the caller fills. After one
 * frame that cannot be opened it opens no other: nothing tells where the next would begin.
 */
export class FrameOpener {
  readonly #secrets: FrameSecrets;
  #isDamaged = false;

  /** The secrets are the caller's. */
  constructor(secrets: FrameSecrets) {
    this.#secrets = secrets;
  }

  /**
   * Size of the frame that begins at `at`; null when its header is not whole in `bytes[at..end)`.
   * @throws {ProtocolError} on a header that cannot be, or a text below `leastText`
   */
  sizeAt(bytes: Uint8Array, at: number, end: number, leastText = 1): number | null {
    const size = measureFrame(this.#secrets.mask, bytes, at, end, LONGEST_TEXT, leastText);
    if (this.#isDamaged || size === IMPOSSIBLE) throw this.#damaged();
    return size === NEEDS_MORE ? null : size;
  }

  /**
   * Opens a frame of that size to the front of `into` and returns how long its text is (openFrame).
   * @throws {ProtocolError} on a wrong tag
   */
  open(bytes: Uint8Array, at: number, size: number, into: Uint8Array): number {
    if (this.#isDamaged) throw this.#damaged();
    const length = openFrame(this.#secrets, bytes, at, size, into);
    if (length < 0) throw this.#damaged();
    return length;
  }

  /** Bytes of text in a frame of that size whose header is whole. */
  textAt(bytes: Uint8Array, at: number, size: number): number {
    return textOf(size, randomSize(this.#secrets.mask, bytes, at));
  }

  /** R of a frame whose header is whole: a view, nonce first. */
  randomAt(bytes: Uint8Array, at: number): Uint8Array {
    return randomOf(this.#secrets.mask, bytes, at);
  }

  /** A wrong header and a wrong tag are one and the same to whoever caused it. */
  #damaged(): ProtocolError {
    this.#isDamaged = true;
    return new ProtocolError("Cannot open a frame: wrong key or cipher, or damaged bytes");
  }
}
