import { TtunError } from "../../../base/errors.ts";
import {
  type Cipher,
  type CipherFactory,
  type CipherName,
  NONCE_SIZE,
  TAG_SIZE,
} from "../../../contract/cipher.ts";
import { derive } from "../v2/secrets.ts";
import { COUNTER_LIMIT, type Head, HEAD_SIZE, type HeadMask } from "./head.ts";
import { ReplayWindow } from "./replay_window.ts";

/** Datagrams of one phase: then come the keys of the next. */
export const PHASE_DATAGRAMS = 2 ** 31;

const AAD_SIZE = 13;

/** Nonce and associated data have TLS 1.2's form (RFC 5288, 7905), which OpenSSL makes in one call. */
class PhaseKeys implements Disposable {
  readonly next: Uint8Array;
  readonly #cipher: Cipher;
  readonly #iv: Uint8Array;
  readonly #isXored: boolean;
  readonly #nonce = new Uint8Array(NONCE_SIZE);
  readonly #nonceView = new DataView(this.#nonce.buffer);
  readonly #aad = new Uint8Array(AAD_SIZE);
  readonly #aadView = new DataView(this.#aad.buffer);

  /** `secret`: D, 32 bytes, borrowed. */
  constructor(secret: Uint8Array, name: CipherName, makeCipher: CipherFactory) {
    const key = derive(secret, "key");
    this.#cipher = makeCipher(name, key);
    key.fill(0);
    this.#iv = derive(secret, "iv").slice(0, NONCE_SIZE);
    this.next = derive(secret, "next");
    this.#isXored = name === "chacha20-poly1305";
    this.#aad.set([0x17, 3, 3], 8);
  }

  seal(bytes: Uint8Array, start: number, end: number, counter: number): void {
    this.#prepare(counter, end - start);
    this.#cipher.seal(this.#nonce, this.#aad, bytes, start, end, end);
  }

  open(bytes: Uint8Array, start: number, end: number, counter: number): boolean {
    this.#prepare(counter, end - start);
    return this.#cipher.open(this.#nonce, this.#aad, bytes, start, end, end);
  }

  #prepare(counter: number, length: number): void {
    const high = Math.floor(counter / 0x1_0000_0000);
    const low = counter % 0x1_0000_0000;
    this.#aadView.setUint32(0, high);
    this.#aadView.setUint32(4, low);
    this.#aadView.setUint16(11, length);
    this.#nonce.set(this.#iv);
    const view = this.#nonceView;
    view.setUint32(4, (this.#isXored ? view.getUint32(4) : 0) ^ high);
    view.setUint32(8, (this.#isXored ? view.getUint32(8) : 0) ^ low);
  }

  [Symbol.dispose](): void {
    this.#cipher[Symbol.dispose]();
    this.#iv.fill(0);
    this.next.fill(0);
  }
}

export interface DatagramOptions {
  /** D, 32 bytes, borrowed. */
  readonly secret: Uint8Array;
  readonly cipher: CipherName;
  readonly makeCipher: CipherFactory;
  /** Of whoever sends; borrowed. */
  readonly mask: HeadMask;
  /** Of whoever receives. */
  readonly id: number;
}

/** Makes the datagrams of one direction; counters never come twice, whatever the phase. */
export class DatagramSealer implements Disposable {
  readonly #o: DatagramOptions;
  readonly #phaseDatagrams: number;
  readonly #head: Head;
  #keys: PhaseKeys;
  #phaseEnds: number;

  /** `phaseDatagrams`, and a first `counter` above 0: only in tests. */
  constructor(o: DatagramOptions, phaseDatagrams = PHASE_DATAGRAMS, counter = 0) {
    this.#o = o;
    this.#phaseDatagrams = this.#phaseEnds = phaseDatagrams;
    this.#keys = new PhaseKeys(o.secret, o.cipher, o.makeCipher);
    this.#head = { id: o.id, phase: 0, counter };
  }

  /** The next counter, which is the number of datagrams so far. */
  get counter(): number {
    return this.#head.counter;
  }

  /** No counter is left: a new handshake is overdue. */
  get isUsedUp(): boolean {
    return this.#head.counter >= COUNTER_LIMIT;
  }

  /**
   * Makes the datagram `bytes[at..textEnd+16)` of the text `bytes[textAt..textEnd)`. The head is
   * written to `at`; between it and the text, in a handshake, lies what is sent as it is.
   */
  seal(bytes: Uint8Array, at: number, textEnd: number, textAt = at + HEAD_SIZE): void {
    const head = this.#head;
    if (this.isUsedUp) {
      throw new TtunError("internal", "Cannot send a datagram: no counter is left");
    }
    if (head.counter === this.#phaseEnds) this.#nextPhase();
    this.#keys.seal(bytes, textAt, textEnd, head.counter);
    this.#o.mask.write(bytes, at, textEnd + TAG_SIZE, head);
    head.counter++;
  }

  #nextPhase(): void {
    const old = this.#keys;
    this.#keys = new PhaseKeys(old.next, this.#o.cipher, this.#o.makeCipher);
    old[Symbol.dispose]();
    this.#head.phase ^= 1;
    this.#phaseEnds += this.#phaseDatagrams;
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
    this.#head.counter = COUNTER_LIMIT;
  }
}

/** Opens the datagrams of one direction, in any order, each once. */
export class DatagramOpener implements Disposable {
  readonly #o: Omit<DatagramOptions, "mask" | "id">;
  readonly #window = new ReplayWindow();
  #last: PhaseKeys | null = null;
  #now: PhaseKeys;
  /** Made when the other phase is heard of. */
  #next: PhaseKeys | null = null;
  #phase = 0;
  /** The lowest counter that came in this phase. */
  #phaseFrom = 0;
  /** The datagram opened last has a counter above all before. */
  isNewest = false;
  #isOver = false;

  constructor(o: Omit<DatagramOptions, "mask" | "id">) {
    this.#o = o;
    this.#now = new PhaseKeys(o.secret, o.cipher, o.makeCipher);
  }

  /** Datagrams that came, at most: the highest counter, and 1. */
  get highest(): number {
    return this.#window.highest + 1;
  }

  /**
   * Opens the text `bytes[textAt..end-16)` in place; `end`: of the datagram. false = it came before,
   * or too late, or is none of the peer's: the text, perhaps decrypted, must not be read then.
   */
  open(bytes: Uint8Array, textAt: number, end: number, head: Head): boolean {
    const textEnd = end - TAG_SIZE;
    const { counter } = head;
    if (this.#isOver || textEnd < textAt || !this.#window.isNew(counter)) return false;
    const isOther = head.phase !== this.#phase;
    const isLate = isOther && counter < this.#phaseFrom;
    const keys = isOther ? this.#keysOfOther(isLate) : this.#now;
    if (keys === null || !keys.open(bytes, textAt, textEnd, counter)) return false;
    if (isOther && !isLate) this.#enterPhase(counter);
    else if (!isOther && counter < this.#phaseFrom) this.#phaseFrom = counter;
    this.isNewest = counter > this.#window.highest;
    this.#window.mark(counter);
    return true;
  }

  #keysOfOther(isLate: boolean): PhaseKeys | null {
    if (isLate) return this.#last;
    return this.#next ??= new PhaseKeys(this.#now.next, this.#o.cipher, this.#o.makeCipher);
  }

  #enterPhase(counter: number): void {
    this.#last?.[Symbol.dispose]();
    this.#last = this.#now;
    this.#now = this.#next!;
    this.#next = null;
    this.#phase ^= 1;
    this.#phaseFrom = counter;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const keys of [this.#last, this.#now, this.#next]) keys?.[Symbol.dispose]();
  }
}
