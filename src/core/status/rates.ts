import type { ConnectionsStatus, SessionStatus, StatusReport, TrafficStatus } from "./report.ts";

/** Bytes per second between two reports of one end. */
export interface Rates {
  readonly sentBytesPerSecond: number;
  readonly receivedBytesPerSecond: number;
}

export type RatedSession = SessionStatus & { readonly rates: Rates };

/** A report with rates, as `ttun status --json` prints it. */
export interface RatedReport extends Omit<StatusReport, "sessions"> {
  readonly sessions?: readonly RatedSession[];
  /**
   * Of all connections where their bytes are counted, else of all sessions, those that ended in
   * between excepted; absent where no bytes are counted.
   */
  readonly rates?: Rates;
}

/** Joins two reports of one end to the later one, with rates. A session that is new began at zero. */
export function withRates(before: StatusReport, after: StatusReport): RatedReport {
  const { sessions, ...rest } = after;
  const seconds = after.seconds - before.seconds;
  const rates = connectionRates(before, after, seconds);
  if (sessions === undefined) return { ...rest, ...(rates !== null && { rates }) };
  const old = new Map(before.sessions?.map((session) => [session.id, session]));
  const rated = sessions.map((session) => ({
    ...session,
    rates: ratesOf(old.get(session.id) ?? NO_TRAFFIC, session, seconds),
  }));
  return { ...rest, sessions: rated, rates: rates ?? sumOf(rated) };
}

/** Returns null where bytes of connections are not counted. */
function connectionRates(
  before: StatusReport,
  { connections }: StatusReport,
  seconds: number,
): Rates | null {
  if (!hasTraffic(connections)) return null;
  const { connections: earlier } = before;
  return ratesOf(hasTraffic(earlier) ? earlier : NO_TRAFFIC, connections, seconds);
}

function hasTraffic(
  connections: ConnectionsStatus | undefined,
): connections is ConnectionsStatus & TrafficStatus {
  return connections?.sentBytes !== undefined;
}

const NO_TRAFFIC: TrafficStatus = { sentBytes: 0, receivedBytes: 0 };

function ratesOf(before: TrafficStatus, after: TrafficStatus, seconds: number): Rates {
  const rate = (from: number, to: number) => seconds > 0 ? Math.round((to - from) / seconds) : 0;
  return {
    sentBytesPerSecond: rate(before.sentBytes, after.sentBytes),
    receivedBytesPerSecond: rate(before.receivedBytes, after.receivedBytes),
  };
}

function sumOf(sessions: readonly RatedSession[]): Rates {
  let sentBytesPerSecond = 0;
  let receivedBytesPerSecond = 0;
  for (const { rates } of sessions) {
    sentBytesPerSecond += rates.sentBytesPerSecond;
    receivedBytesPerSecond += rates.receivedBytesPerSecond;
  }
  return { sentBytesPerSecond, receivedBytesPerSecond };
}
