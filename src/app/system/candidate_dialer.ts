import { formatAddr, type HostPort } from "../../base/addr.ts";
import { TtunError, UnreachableError } from "../../base/errors.ts";
import { abortable, type Scope, scope } from "../../base/scope.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { Clock, Rng } from "../../contract/host.ts";
import { tell } from "../net/dial_events.ts";
import type { Meeting } from "../net/reach.ts";
import { raceCandidates } from "../punch/candidate_race.ts";
import { ProvedRace } from "../punch/proved_race.ts";
import { firstConnection, type MeetingDialer } from "./meeting_dialer.ts";

export interface CandidateDialOptions {
  /** Addresses of the other end, the likeliest first; another machine may be at some of them. */
  readonly candidates: readonly HostPort[];
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Milliseconds for all of it, the handshake too. */
  readonly deadlineMs: number;
}

/** Returns a way to an end that can be reached at one of these addresses. */
export function openCandidateDialer(o: CandidateDialOptions): MeetingDialer {
  const reach: MeetingDialer["reach"] = (meeting) => raceAll(o, meeting);
  return {
    reach,
    start: (_, { signal, cancel = signal }, events) =>
      tell(events, firstConnection(reach, signal, cancel)),
  };
}

async function raceAll<T>(o: CandidateDialOptions, meeting: Meeting<T>): Promise<T> {
  const race = new ProvedRace(meeting);
  try {
    return await scope(meeting.signal, async (tasks) => {
      using _deadline = o.clock.after(o.deadlineMs, () => {
        tasks.fail(race.failure ?? tooLate(o.deadlineMs));
        race.end(); // a handshake that runs ends with its connection
      });
      tasks.spawn((signal) => connectAll(o, race, meeting.signal, tasks, signal));
      const met = await abortable(race.result, tasks.signal);
      tasks.cancel();
      return met;
    });
  } finally {
    race.end();
  }
}

/** `life`: connections live under it. */
async function connectAll<T>(
  { candidates, dialer, clock, rng }: CandidateDialOptions,
  race: ProvedRace<T>,
  life: AbortSignal,
  tasks: Scope,
  cancel: AbortSignal,
): Promise<void> {
  await raceCandidates({
    ...{ candidates, dialer, clock, rng, signal: life, cancel },
    startAt: clock.now(),
    take: (stream) => race.take(stream),
  });
  if (race.isRunning) await race.idle;
  if (cancel.aborted || race.hasWinner) return;
  tasks.fail(race.failure ?? unreachable(candidates));
}

function tooLate(deadlineMs: number): TtunError {
  const seconds = Math.round(deadlineMs / 1000);
  const words = `Cannot reach the peer within ${seconds} s: does it still wait there?`;
  return new TtunError("timeout", words);
}

function unreachable(candidates: readonly HostPort[]): UnreachableError {
  return new UnreachableError(
    "host",
    `Cannot reach the peer at ${
      candidates.map(formatAddr).join(", ")
    }: nothing answers there; does ` +
      "it still wait, and can it be reached from outside? Where both are behind NATs they meet at a " +
      "server (--via)",
  );
}
