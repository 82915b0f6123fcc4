import { MAX_OFF_MS } from "./hybrid_clock.ts";

/** The clock that most hosts agree on, seen from the own one, in milliseconds. */
export interface AgreedClock {
  /** It less the own clock: 0 while the own one is near it, or while no clock has a majority. */
  readonly offset: number;
  /** How far behind it the slowest clock is that counts as right. */
  readonly lag: number;
}

/**
 * Finds the clock of most hosts. `peers`: other nodes, with their clocks less the own one. A host has
 * one clock, however many nodes are on it; of two that disagree nobody knows which is right.
 */
export function agreeOnClock(
  ownHost: string,
  peers: readonly { readonly host: string; readonly offset: number }[],
): AgreedClock {
  const hosts = new Map<string, number>();
  for (const { host, offset } of peers) hosts.set(host, offset);
  hosts.set(ownHost, 0);
  const offsets = [...hosts.values()].toSorted((a, b) => a - b);
  const median = offsets[offsets.length >> 1]!;
  const near = (to: number) => offsets.filter((offset) => Math.abs(offset - to) <= MAX_OFF_MS);
  const isWrong = Math.abs(median) > MAX_OFF_MS && 2 * near(median).length > offsets.length;
  const offset = isWrong ? median : 0;
  return { offset, lag: Math.max(0, offset - Math.min(offset, ...near(offset))) };
}
