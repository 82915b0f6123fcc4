import { ConnectionError } from "./connection_error.ts";
import { ErrorCode, Flag } from "./constants.ts";

/** Bytes of a block, compressed, and frames of it: more are a flood (CVE-2024-27316 and others). */
const MOST_BYTES = 64 * 1024;
const MOST_FRAMES = 32;

/** Collects the header block of one HEADERS frame and those of CONTINUATION behind it. */
export class HeaderBlock {
  #stream = 0;
  #isEnd = false;
  #isOpen = false;
  #frames = 0;
  #held = new Uint8Array();
  #length = 0;

  /** True while frames of CONTINUATION must follow. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  get stream(): number {
    return this.#stream;
  }

  /** The request ends with the block. */
  get isEnd(): boolean {
    return this.#isEnd;
  }

  /** @throws {ConnectionError} */
  begin(stream: number, flags: number, payload: Uint8Array): void {
    this.#stream = stream;
    this.#isEnd = (flags & Flag.endStream) !== 0;
    this.#frames = this.#length = 0;
    this.#isOpen = true;
    this.add(flags, fragmentOf(flags, payload));
  }

  /** @throws {ConnectionError} */
  add(flags: number, fragment: Uint8Array): void {
    if (!this.#isOpen) throw new ConnectionError(ErrorCode.protocol, "nothing is to be continued");
    if (++this.#frames > MOST_FRAMES || this.#length + fragment.length > MOST_BYTES) {
      throw new ConnectionError(ErrorCode.enhanceYourCalm, "a request's fields have no end");
    }
    this.#hold(fragment);
    this.#isOpen = (flags & Flag.endHeaders) === 0;
  }

  /** Returns the whole block, which is the caller's; the memory is given up. */
  bytes(): Uint8Array {
    const whole = this.#held.subarray(0, this.#length);
    this.#held = new Uint8Array();
    this.#length = 0;
    return whole;
  }

  #hold(fragment: Uint8Array): void {
    const length = this.#length + fragment.length;
    if (length > this.#held.length) {
      const larger = new Uint8Array(this.#length === 0 ? length : 2 * length);
      larger.set(this.#held.subarray(0, this.#length));
      this.#held = larger;
    }
    this.#held.set(fragment, this.#length);
    this.#length = length;
  }
}

/** Returns the payload of HEADERS without padding and priority (RFC 9113 section 6.2). */
function fragmentOf(flags: number, payload: Uint8Array): Uint8Array {
  const isPadded = (flags & Flag.padded) !== 0;
  const from = (isPadded ? 1 : 0) + ((flags & Flag.priority) !== 0 ? 5 : 0);
  const to = payload.length - (isPadded ? payload[0] ?? 0 : 0);
  if (from > to) {
    throw new ConnectionError(ErrorCode.protocol, "a frame has more padding than bytes");
  }
  return payload.subarray(from, to);
}
