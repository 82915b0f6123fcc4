import { FinalError, toTtunError } from "../../base/errors.ts";
import { CloseCode } from "../../core/link/v2/frames.ts";
import { PeerClosed } from "../../core/link/v2/handshake.ts";
import type { Clock } from "../../contract/host.ts";
import type { Reach } from "../net/reach.ts";
import type { DirectServer } from "./server_name.ts";

/** A server behind no address whose handshakes run while it is reached. */
export type ReachedServer = DirectServer & { readonly reach: Reach };

export interface TicketTime {
  /** Milliseconds since 1970 until which somebody may come with the ticket. */
  readonly untilMs: number;
  /** Returns milliseconds since 1970. */
  readonly wallClock: () => number;
  /** Milliseconds without the server after which whoever was in gives up; null = never. */
  readonly giveUpMs: number | null;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Returns a way to the server that fails for good (`FinalError`) where no other attempt can succeed:
 * the server refuses the ticket, as one that somebody else has come with, or the ticket's time is
 * over. Whoever has got in comes again at any time, but not for ever: a server that has ended does
 * not come back, as another run of it has another ticket, and nothing else tells that from an outage.
 */
export function endsWithTicket(
  server: ReachedServer,
  { untilMs, wallClock, giveUpMs, clock }: TicketTime,
): ReachedServer {
  let isIn = false;
  /** Beginning of the attempts since it was reached last; null = it was, in the last one. */
  let goneSince: number | null = null;
  const reach: Reach = async (meeting) => {
    if (meeting.isDirect === true) return await server.reach(meeting); // beside a connection
    goneSince ??= clock.now();
    try {
      const met = await server.reach(meeting);
      isIn = true;
      goneSince = null;
      return met;
    } catch (thrown) {
      if (meeting.signal.aborted) throw thrown;
      throw (isIn ? whyGone(thrown) : whyFinal(thrown)) ?? thrown;
    }
  };
  const whyGone = (thrown: unknown): FinalError | null => {
    const { kind, message } = toTtunError(thrown);
    const ms = clock.now() - (goneSince ?? Infinity);
    if (kind === "internal" || giveUpMs === null || ms < giveUpMs) return null;
    const words = `${message}. The other end of ${server.name} has not been there for ` +
      `${
        Math.round(ms / 60_000)
      } minutes: it has ended, as it seems, and another run of it makes ` +
      "another ticket";
    return new FinalError(kind, words, { cause: thrown });
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
