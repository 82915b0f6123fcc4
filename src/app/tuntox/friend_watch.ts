import type { Clock } from "../../contract/host.ts";
import type { FriendStream } from "../../core/tuntox/friend_stream.ts";
import type { StreamLink } from "./stream_link.ts";

/** Milliseconds between two looks. A stream that has not proved the key is cut sooner. */
const LOOK_MS = 30_000;

/** Looks in a row at which there is no stream of the look before. */
const MOST_LOOKS = 3;

export interface FriendWatch {
  readonly clock: Clock;
  /** The friend is to go. Called once. */
  readonly drop: () => void;
  /** A stream of the friend has lasted: it has proved the key. Called once. */
  readonly proved: () => void;
}

/**
 * Watches a friend that may have streams alone, while its link is up: one whose streams do not
 * last, as nothing proves them, is to go. Places for friends are few.
 */
export function watchFriend(
  { link, streams }: StreamLink,
  { clock, drop, proved }: FriendWatch,
): void {
  let seen: FriendStream | undefined;
  let looks = 0;
  let isProved = false;
  const look = (): void => {
    if (!link.isUp) return;
    const { oldest } = streams;
    const lasts = oldest !== undefined && oldest === seen;
    if (lasts && !isProved) proved();
    isProved ||= lasts;
    looks = lasts ? 0 : looks + 1;
    seen = oldest;
    if (looks === MOST_LOOKS) return drop();
    clock.after(LOOK_MS, look);
  };
  clock.after(LOOK_MS, look);
}
