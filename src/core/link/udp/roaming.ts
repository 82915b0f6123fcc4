import { constantTimeEqual } from "../../../base/bytes.ts";
import type { DatagramPath } from "../../../contract/datagrams.ts";
import type { Rng } from "../../../contract/host.ts";
import { ECHO_SIZE } from "../v2/frames.ts";

/** Bytes that may go to an address for each that came from there, until it is proved (RFC 9000, 8). */
const MOST_AMPLIFICATION = 3;

/** Milliseconds until an address that has not answered is asked again. */
const CHALLENGE_MS = 100;

/**
 * Where a peer is. It may move: the newest datagram's source is taken at once, but gets little until a
 * pong has come from there, as whoever sees a datagram may send it again from elsewhere.
 */
export class Roaming {
  readonly #rng: Rng;
  #path: DatagramPath;
  #provedPath: DatagramPath;
  #challenge = new Uint8Array(ECHO_SIZE);
  #challengedAt = -Infinity;
  /** Bytes that came from and went to an address that is not proved. */
  #received = 0;
  #sent = 0;

  /** `path`: the handshake went by it. */
  constructor(path: DatagramPath, rng: Rng) {
    this.#path = this.#provedPath = path;
    this.#rng = rng;
  }

  get path(): DatagramPath {
    return this.#path;
  }

  get isProved(): boolean {
    return this.#path === this.#provedPath;
  }

  /**
   * A datagram has come and was opened; `isNewest`: no later one has come before. Returns the data of
   * a ping that is to go back, or null.
   */
  received(
    path: DatagramPath,
    size: number,
    isNewest: boolean,
    now: number,
  ): Uint8Array | null {
    if (path === this.#path && this.isProved) return null;
    if (isSamePath(path, this.#provedPath)) {
      if (isNewest) this.#path = this.#provedPath = path;
      return null;
    }
    if (!isSamePath(path, this.#path)) {
      if (!isNewest) return null;
      this.#path = path;
      this.#received = this.#sent = 0;
      this.#challenge = this.#rng(ECHO_SIZE) as Uint8Array<ArrayBuffer>;
      this.#challengedAt = -Infinity;
    }
    this.#received += size;
    if (now - this.#challengedAt < CHALLENGE_MS) return null;
    this.#challengedAt = now;
    return this.#challenge.slice();
  }

  /** A pong has come; true if it proves that the peer is where it seems to be. */
  proved(data: Uint8Array, path: DatagramPath): boolean {
    if (this.isProved || !isSamePath(path, this.#path)) return false;
    if (!constantTimeEqual(data, this.#challenge)) return false;
    this.#provedPath = this.#path;
    return true;
  }

  /** Counts what goes there; false = that is too much. */
  maySend(bytes: number): boolean {
    if (this.isProved) return true;
    if (this.#sent + bytes > MOST_AMPLIFICATION * this.#received) return false;
    this.#sent += bytes;
    return true;
  }
}

/** Mostly it is one object, so that nothing more is compared. */
function isSamePath(a: DatagramPath, b: DatagramPath): boolean {
  return a === b || (a.remote.port === b.remote.port && a.remote.host === b.remote.host &&
    a.local === b.local);
}
