import type { ServerEnd } from "./exchange_relay.ts";

/** The asking end of an exchange whose answer nobody waits for: it takes all, and says nothing. */
export const unheard: ServerEnd = {
  machine: {
    wantsInput: false,
    waitsFor: "nothing",
    feed: () => [],
    inputEnded: () => [],
    respond: () => [],
    data: () => [],
    end: () => [],
    reset: () => [],
    room: () => Number.MAX_SAFE_INTEGER,
    consumed: () => [],
    drain: () => [],
    timedOut: () => [],
  },
  driver: {
    call: (run) => void run(),
    isBlocked: false,
    isBusy: false,
  },
};
