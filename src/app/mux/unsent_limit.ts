import { UNSENT_USUAL } from "../net/socket_options.ts";

/**
 * Milliseconds in which a connection sends what it may keep: beside packets fewer, since a packet
 * waits for all of it. Over 100 Mbit/s and 20 ms a ping beside four transfers took 4 ms less by that
 * (28 in place of 32; over a connection of its own 24), and the transfers had as much.
 */
const KEPT_MS = 6;
const KEPT_BESIDE_PACKETS_MS = 3;

/** Milliseconds after which it is looked at how much was written. */
const LOOK_MS = 50;

/** Bytes in that time that say something about a connection whose writes hardly wait. */
const TELLING_BYTES = 64 * 1024;

/** Bytes in that time that say something where packets share the connection. */
const TELLING_BESIDE_PACKETS = 4 * 1024;

/** Part of the time that writes count as having waited at least, beside packets. */
const LEAST_WAIT = 1 / 4;

const LEAST = 16 * 1024;

/**
 * Bytes that a carrier's connection may keep unsent: a small stream's data waits behind them,
 * whatever the order of streams is. It is UNSENT_USUAL for a fast connection; of a slower one it is
 * what goes in some milliseconds, by the rate at which writes that wait get on. Beside packets,
 * which wait for all of it, a rate is also believed where windows keep streams from ever waiting.
 */
export class UnsentLimit {
  #bytes = UNSENT_USUAL;
  #since: number;
  #written = 0;
  #waitedMs = 0;
  readonly #isBesidePackets: boolean;

  /** `now` in milliseconds of a monotonic clock. */
  constructor(now: number, isBesidePackets = false) {
    this.#since = now;
    this.#isBesidePackets = isBesidePackets;
  }

  /** A power of two. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Most bytes for one write, which wait for each other as well. */
  get write(): number {
    return this.#bytes === UNSENT_USUAL ? Infinity : this.#bytes / 2;
  }

  /** The connection has taken `bytes`, for which a write waited from `began` on. */
  wrote(bytes: number, began: number, now: number): void {
    this.#written += bytes;
    this.#waitedMs += now - began;
    const passed = now - this.#since;
    if (passed < LOOK_MS) return;
    if (this.#isBesidePackets) {
      const waited = Math.max(this.#waitedMs, passed * LEAST_WAIT);
      if (this.#written >= TELLING_BESIDE_PACKETS) {
        this.#bytes = limitFor(this.#written / waited * KEPT_BESIDE_PACKETS_MS);
      }
    } else if (this.#waitedMs * 2 >= passed || this.#written >= TELLING_BYTES) {
      this.#bytes = limitFor(this.#written / this.#waitedMs * KEPT_MS);
    }
    this.#since = now;
    this.#written = 0;
    this.#waitedMs = 0;
  }
}

function limitFor(bytes: number): number {
  return 2 ** Math.floor(Math.log2(Math.min(UNSENT_USUAL, Math.max(LEAST, bytes))));
}
