import { FinalError, toTtunError } from "../../base/errors.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import type { Reach } from "../net/reach.ts";
import type { DirectServer } from "./server_name.ts";

/** A server behind no address whose handshakes run while it is reached. */
export type ReachedServer = DirectServer & { readonly reach: Reach };

export interface TicketTime {
  /** Milliseconds since 1970 until which somebody may come with the ticket. */
  readonly untilMs: number;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
}

/**
 * Returns a way to the server that fails for good (`FinalError`) where no other attempt can succeed:
 * the server refuses the ticket, as one that somebody else has come with, or the ticket's time is
 * over. Whoever has got in comes again at any time.
 */
export function endsWithTicket(
  server: ReachedServer,
  { untilMs, wallClock }: TicketTime,
): ReachedServer {
  let isIn = false;
  const reach: Reach = async (meeting) => {
    try {
      const met = await server.reach(meeting);
      isIn = true;
      return met;
    } catch (thrown) {
      if (isIn || meeting.signal.aborted) throw thrown;
      throw whyFinal(thrown) ?? thrown;
    }
  };
  const whyFinal = (thrown: unknown): FinalError | null => {
    const error = toTtunError(thrown);
    const { kind, message } = error;
    if (error instanceof PeerClosed && error.code === CloseCode.notAllowed) {
      return new FinalError(kind, message, { cause: error });
    }
    if (kind === "internal" || wallClock() < untilMs) return null;
    const words = `${message}. The time of ${server.name} is over: ask for another`;
    return new FinalError(kind, words, { cause: error });
  };
  return { ...server, reach };
}
