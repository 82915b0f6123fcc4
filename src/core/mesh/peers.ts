import { distance } from "./circle.ts";
import { type Descriptor, isNewer, type Verify } from "./descriptor.ts";
import type { NodeKey } from "./node_id.ts";
import { Peer } from "./peer.ts";
import type { RememberedPeer } from "./ring_disk.ts";

/** Most peers that are known at a time. */
export const MAX_PEERS = 1024;

/** Peers are remembered this long after the last contact; seeds and the core's nodes for ever. */
export const REMEMBERED_MS = 7 * 24 * 3600 * 1000;

/** How many are looked at for one that can be asked. */
const LONGEST_WALK = 64;

/** A node's times (ring_context.ts). */
interface PeerTime {
  readonly now: number;
  readonly wall: number;
  readonly clockSet: number;
}

/** All nodes that are known, by key and in the order of their positions. */
export class Peers {
  readonly self: Peer;
  readonly #byKey = new Map<NodeKey, Peer>();
  readonly #sorted: Peer[] = [];
  readonly #verify: Verify;

  constructor(self: Descriptor, verify: Verify) {
    this.self = new Peer(self);
    this.#verify = verify;
  }

  /** Called before a peer gets another position, which it has after a start without its disk. */
  onMove: (peer: Peer) => void = () => {};

  /** Called where another node stands at the node's own position. */
  onSamePosition: (descriptor: Descriptor) => void = () => {};

  get size(): number {
    return this.#sorted.length;
  }

  all(): readonly Peer[] {
    return this.#sorted;
  }

  get(key: NodeKey): Peer | undefined {
    return key === this.self.key ? this.self : this.#byKey.get(key);
  }

  /**
   * Takes up a descriptor and returns its peer, the own one for the own; null where its signature is
   * wrong. `isPinned`: peers that must not go to make room.
   */
  learn(descriptor: Descriptor, isPinned: (peer: Peer) => boolean): Peer | null {
    if (descriptor.key === this.self.key) return this.self;
    if (descriptor.position === this.self.position) this.onSamePosition(descriptor);
    const known = this.#byKey.get(descriptor.key);
    if (known !== undefined) {
      if (known.descriptor === descriptor || !isNewer(descriptor, known.descriptor)) return known;
      if (!this.#verify(descriptor)) return null;
      if (descriptor.position !== known.position) {
        this.onMove(known);
        this.#takeOut(known);
        known.update(descriptor);
        this.#putIn(known);
      } else known.update(descriptor);
      return known;
    }
    if (!this.#verify(descriptor)) return null;
    if (this.#sorted.length >= MAX_PEERS && !this.#makeRoom(isPinned)) return null;
    const peer = new Peer(descriptor);
    this.#byKey.set(peer.key, peer);
    this.#putIn(peer);
    return peer;
  }

  /** Returns peers that may be asked, the nearest before `position` first. */
  before(position: bigint, count: number, now: number): Peer[] {
    const found: Peer[] = [];
    const last: Peer[] = [];
    const { length } = this.#sorted;
    let at = this.#indexAfter(position - 1n);
    for (let i = 0; i < Math.min(length, LONGEST_WALK) && found.length < count; i++) {
      at = at === 0 ? length - 1 : at - 1;
      const peer = this.#sorted[at]!;
      if (peer.isDead(now)) continue;
      (peer.isLast(now) ? last : found).push(peer);
    }
    return found.length < count ? [...found, ...last.slice(0, count - found.length)] : found;
  }

  /** Returns the first peer at or after `position` that may be asked. */
  atOrAfter(position: bigint, now: number): Peer | null {
    const { length } = this.#sorted;
    const from = this.#indexAfter(position - 1n);
    for (let i = 0; i < Math.min(length, LONGEST_WALK); i++) {
      const peer = this.#sorted[(from + i) % length]!;
      if (!peer.isDead(now)) return peer;
    }
    return null;
  }

  /** True if a peer in [from, to) was heard since. */
  hasHeardBetween(from: bigint, to: bigint, since: number): boolean {
    const { length } = this.#sorted;
    const span = distance(from, to);
    const first = this.#indexAfter(from - 1n);
    for (let i = 0; i < length; i++) {
      const peer = this.#sorted[(first + i) % length]!;
      if (distance(from, peer.position) >= span) return false;
      if (peer.heardAt >= since) return true;
    }
    return false;
  }

  /** Peers as they are remembered on the disk. */
  remembered({ now, clockSet }: PeerTime): RememberedPeer[] {
    const found: RememberedPeer[] = [];
    for (const peer of this.#sorted) {
      if (peer.hasLeft) continue;
      if (!peer.isKept && peer.heardAt < now - REMEMBERED_MS) continue;
      const heardAtMs = Math.max(0, Math.floor(peer.heardAt + clockSet));
      found.push({ descriptor: peer.descriptor, heardAtMs });
    }
    return found;
  }

  /** Forgets those that were silent for a week. */
  forgetOld({ now, wall }: PeerTime, isPinned: (peer: Peer) => boolean): void {
    for (const peer of [...this.#sorted]) {
      const isVoid = peer.descriptor.notAfter < wall && peer.heardAt < now - REMEMBERED_MS;
      if (isVoid && !peer.isKept && !isPinned(peer)) this.#remove(peer);
    }
  }

  /** Drops the peer that was silent longest. */
  #makeRoom(isPinned: (peer: Peer) => boolean): boolean {
    let worst: Peer | null = null;
    for (const peer of this.#sorted) {
      if (peer.isKept || isPinned(peer)) continue;
      if (worst === null || peer.heardAt < worst.heardAt) worst = peer;
    }
    if (worst === null) return false;
    this.#remove(worst);
    return true;
  }

  #remove(peer: Peer): void {
    this.#takeOut(peer);
    this.#byKey.delete(peer.key);
  }

  #takeOut(peer: Peer): void {
    let at = this.#indexAfter(peer.position - 1n);
    while (this.#sorted[at] !== peer) at++;
    this.#sorted.splice(at, 1);
  }

  #putIn(peer: Peer): void {
    this.#sorted.splice(this.#indexAfter(peer.position), 0, peer);
  }

  /** Index of the first peer whose position is above. */
  #indexAfter(position: bigint): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sorted[middle]!.position > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
