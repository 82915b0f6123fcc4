import { distance } from "./circle.ts";
import { Lookup } from "./lookup.ts";
import { nodeIdOfKey, PLACES, positionOf } from "./node_id.ts";
import type { Peer } from "./peer.ts";
import type { RingContext } from "./ring_context.ts";

/**
 * Finds out which of its 16 positions leaves a new node the most room, by way of one member of the
 * ring: the one whose smaller gap to its neighbours there is the largest.
 */
export function choosePlace(ring: RingContext, member: Peer, onEnd: (place: number) => void): void {
  const nodeId = nodeIdOfKey(ring.self.key);
  let open = PLACES;
  let best = { place: 0, gap: -1n };
  for (let place = 0; place < PLACES; place++) {
    const position = positionOf(nodeId, place);
    new Lookup(ring, position, { start: [member], isProbe: true }, (found) => {
      const [owner] = found?.nodes ?? [];
      if (owner !== undefined) {
        const before = distance(found!.after ?? owner.position, position);
        const behind = distance(position, owner.position);
        const gap = before < behind ? before : behind;
        if (gap > best.gap || (gap === best.gap && place < best.place)) best = { place, gap };
      }
      if (--open === 0) onEnd(best.place);
    });
  }
}
