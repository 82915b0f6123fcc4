/** Milliseconds after the first, second … failure of an order, until the next one. */
const PAUSES = [5, 60, 300, 1800, 7200, 21_600, 43_200].map((seconds) => seconds * 1000);

const DAY_MS = 86_400_000;

/** Share of a pause that chance adds. */
const JITTER = 0.25;

/** Milliseconds that an authority may put an order off for: longer is a mistake. */
const MOST_PUT_OFF = 24 * 3600_000;

/** Pause until the next order. `count`: orders in a row without success; `chance`: 0 to 1. */
export function pauseAfter(count: number, chance: number, wantedMs = 0): number {
  const pause = PAUSES[Math.min(count, PAUSES.length) - 1]!;
  return Math.round(Math.max(pause * (1 + JITTER * chance), Math.min(wantedMs, MOST_PUT_OFF)));
}

/** Returns true while no other order is to be made; a time that no pause leads to is none. */
export function isPaused({ until }: { readonly until: number }, nowMs: number): boolean {
  return nowMs < until && until - nowMs <= MOST_PUT_OFF + 2 * PAUSES.at(-1)!;
}

interface Times {
  readonly notBefore: number;
  readonly notAfter: number;
  /** When it was had, by the clock of the node that ordered it. */
  readonly issuedAt: number;
}

/**
 * Returns the earliest renewal: an authority that is wrong, or a clock that is, would have one ordered
 * after the other.
 */
function earliestRenewal({ notBefore, notAfter, issuedAt }: Times): number {
  return issuedAt + Math.min(DAY_MS, (notAfter - notBefore) / 10);
}

/**
 * Returns when to renew a certificate of whose authority nothing is known: with a third of its time
 * left, some days apart from others. `chance`: 0 to 1, the same at all nodes.
 */
export function usualRenewal(times: Times, chance: number): number {
  const { notBefore, notAfter } = times;
  const lifetime = notAfter - notBefore;
  const wanted = notAfter - lifetime / 3 - chance * lifetime / 30;
  return Math.floor(Math.max(wanted, earliestRenewal(times)));
}

/** Returns the time in an authority's window, but never later than shortly before the end. */
export function windowRenewal(
  window: { readonly start: number; readonly end: number },
  times: Times,
  chance: number,
): number {
  const { notBefore, notAfter } = times;
  const lifetime = notAfter - notBefore;
  const wanted = window.start + chance * (window.end - window.start);
  return Math.floor(Math.max(Math.min(wanted, notAfter - lifetime / 20), earliestRenewal(times)));
}

/** A number from 0 to 1 that a text leads to, always the same. */
export function chanceOf(text: string): number {
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0) / 0x1_0000_0000;
}
