import type { CongestionChoice } from "../../contract/connection.ts";

/**
 * Round trips below this are those of loopback, of another namespace and of a LAN. BBR's pacing
 * gains nothing there and costs a timer for every few packets (docs/performance.md).
 */
const NEAR_MS = 1;

/** Fills a path in spite of losses that no full queue has caused; it paces what it sends. */
const FAR = "bbr";

/** Those that send without pacing. Linux always has and gives the last one. */
const NEAR = ["cubic", "reno"];

/** A choice for all connections, and its words for the log. */
export interface CongestionPlan {
  /** Undefined leaves every connection as the system made it. */
  readonly choice: CongestionChoice | undefined;
  readonly text: string;
}

/**
 * Returns null if the kernel does not give the one that is wanted. `wanted`: `auto`, `system` or a
 * kernel's name. `system`: the name that a new socket has.
 */
export function planCongestion(
  wanted: string,
  system: string,
  isGiven: (name: string) => boolean,
): CongestionPlan | null {
  if (wanted === "system") return { choice: undefined, text: system };
  if (wanted !== "auto") {
    if (!isGiven(wanted)) return null;
    return { choice: { far: wanted, near: wanted, nearMs: NEAR_MS }, text: wanted };
  }
  const isPaced = system.startsWith(FAR);
  const far = !isPaced && isGiven(FAR) ? FAR : null;
  const near = isPaced ? NEAR.find(isGiven) ?? null : null;
  if (far === near) return { choice: undefined, text: system };
  const text = `${far ?? system}, under ${NEAR_MS} ms ${near ?? system}`;
  return { choice: { far, near, nearMs: NEAR_MS }, text };
}
