import type { Descriptor } from "./descriptor.ts";
import type { NodeState } from "./frame.ts";
import type { NodeKey } from "./node_id.ts";

/** A peer that was called dead is not asked for this long. */
export const DEAD_MS = 5000;

/** A peer that came back this often within `FLAP_WINDOW_MS` is asked last for `FLAPPY_MS`. */
const FLAPS = 3;
const FLAP_WINDOW_MS = 300_000;
const FLAPPY_MS = 60_000;

const SHORTEST_HEDGE_MS = 250;
const SHORTEST_VERDICT_MS = 300;
const LONGEST_VERDICT_MS = 1000;

/** All that a node knows of another one. */
export class Peer {
  readonly key: NodeKey;
  descriptor: Descriptor;
  position: bigint;
  /** Follows from the descriptor; lists are compared by these. */
  mark = 0;
  /** When something last came from it; -Infinity for never. */
  heardAt = -Infinity;
  /** Smoothed round-trip time and its variation in milliseconds (RFC 6298); 0 before the first. */
  srtt = 0;
  rttvar = 0;
  /** Until when it is called dead. */
  deadUntil = -Infinity;
  /** True from a verdict until something comes from it. */
  isSuspect = false;
  /** The incarnation that has left; 0 for none. */
  leftIncarnation = 0;
  /** Last known state of its own. */
  state: NodeState = "ready";
  /** Its clock less the own one, in milliseconds, and when that was seen. */
  offset = 0;
  offsetAt = -Infinity;
  /** Its predecessors, as it last told them, and their hash. */
  preds: readonly Peer[] = [];
  predsHash = 0n;
  /** Hash of the own predecessors that this peer has, as far as known. */
  toldPreds = 0n;
  /** Descriptors that this peer has been told of, and since when that is counted. */
  told = new Set<Descriptor>();
  toldSince = -Infinity;
  /** Position in the turn of peers that are probed. */
  probedAt = -Infinity;
  /** True for peers that are never forgotten: seeds, and nodes of the core. */
  isKept = false;
  #flaps: number[] = [];
  #flappyUntil = -Infinity;

  constructor(descriptor: Descriptor) {
    this.key = descriptor.key;
    this.descriptor = descriptor;
    this.position = descriptor.position;
    this.update(descriptor);
  }

  update(descriptor: Descriptor): void {
    if (descriptor.incarnation !== this.descriptor.incarnation) {
      // A process that was started again knows nothing of the last one's, and leaves no longer.
      this.told.clear();
      this.state = "ready";
    }
    this.descriptor = descriptor;
    this.position = descriptor.position;
    this.mark = Number(descriptor.position & 0xffff_ffffn) ^
      Math.imul(descriptor.incarnation % 0x1_0000_0000, 0x9e37_79b1) ^
      Math.imul(descriptor.notAfter % 0x1_0000_0000, 0x85eb_ca6b);
    this.isKept ||= descriptor.roles.includes("core");
  }

  get host(): string {
    return this.descriptor.host;
  }

  get hasLeft(): boolean {
    return this.leftIncarnation >= this.descriptor.incarnation;
  }

  isDead(now: number): boolean {
    return this.deadUntil > now || this.hasLeft;
  }

  /** True if it is asked only where there is nobody else. */
  isLast(now: number): boolean {
    return this.isSuspect || this.isFlapping(now);
  }

  /** True for a while after it came back for the third time in five minutes. */
  isFlapping(now: number): boolean {
    return this.#flappyUntil > now;
  }

  /** Something came from it. Returns true if it had been called dead. */
  hear(now: number): boolean {
    this.heardAt = now;
    if (!this.isSuspect) return false;
    this.isSuspect = false;
    this.deadUntil = -Infinity;
    this.#flaps = this.#flaps.filter((at) => at > now - FLAP_WINDOW_MS);
    this.#flaps.push(now);
    if (this.#flaps.length >= FLAPS) this.#flappyUntil = now + FLAPPY_MS;
    return true;
  }

  /** It did not answer in time. Returns true if it had not been called dead before. */
  fail(now: number): boolean {
    const isNew = !this.isSuspect;
    this.isSuspect = true;
    this.deadUntil = now + DEAD_MS;
    return isNew;
  }

  measure(rttMs: number): void {
    if (this.srtt === 0) {
      this.srtt = Math.max(rttMs, 0.01);
      this.rttvar = rttMs / 2;
      return;
    }
    this.rttvar += (Math.abs(this.srtt - rttMs) - this.rttvar) / 4;
    this.srtt += (rttMs - this.srtt) / 8;
  }

  /** Returns after how long another one is asked too. */
  hedgeMs(): number {
    return Math.max(SHORTEST_HEDGE_MS, 2 * this.srtt);
  }

  /** Returns after how long without an answer it is called dead. */
  verdictMs(load: number): number {
    const ms = this.srtt === 0 ? LONGEST_VERDICT_MS : this.srtt + 4 * this.rttvar;
    return Math.min(LONGEST_VERDICT_MS, Math.max(SHORTEST_VERDICT_MS, ms)) * load;
  }
}

/** Returns a hash of peers in their order, u64 and not 0. */
export function hashOfPeers(peers: readonly Peer[]): bigint {
  let [high, low] = [0x811c_9dc5, 0x1234_5677 + peers.length];
  for (const { mark } of peers) {
    high = Math.imul(high ^ mark, 0x0100_0193);
    low = Math.imul(low + mark, 0x9e37_79b1) ^ (low >>> 15);
  }
  return BigInt(high >>> 0) << 32n | BigInt(low >>> 0) | 1n;
}
