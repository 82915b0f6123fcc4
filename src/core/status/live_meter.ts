import type { CipherName } from "../../contract/cipher.ts";
import type { Rates } from "./rates.ts";
import type { EndStatus, SessionStatus, SessionWire, TrafficStatus } from "./report.ts";

/** Facts of a running end in short, for a line that is drawn again and again. */
export interface LiveSample extends Rates {
  /** The other end, or where clients come in; null = neither is known yet. */
  readonly peer: string | null;
  /** Undefined where the kind of end has none. */
  readonly sessions?: number;
  /** Open connections of forwards or of a proxy. */
  readonly connections?: number;
  readonly transports: readonly string[];
  readonly wire?: SessionWire;
  readonly cipher?: CipherName;
  readonly aead?: string;
  /** Since the first sample, what the sessions of that moment had carried included. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly rttMs?: number;
  /** Since the only session began, else since the first sample. */
  readonly seconds: number;
}

/** Joins what an end tells of itself again and again to samples with rates and totals. */
export class LiveMeter {
  #before: { readonly status: EndStatus; readonly ms: number } | null = null;
  #began = 0;
  #sentBytes = 0;
  #receivedBytes = 0;

  /** `ms`: the time, in milliseconds. */
  sample(status: EndStatus, ms: number): LiveSample {
    const before = this.#before ?? { status: {}, ms };
    if (this.#before === null) this.#began = ms;
    const { sentBytes, receivedBytes } = carriedBetween(before.status, status);
    const elapsed = (ms - before.ms) / 1000;
    const rateOf = (bytes: number) => elapsed > 0 ? Math.round(bytes / elapsed) : 0;
    this.#sentBytes += sentBytes;
    this.#receivedBytes += receivedBytes;
    this.#before = { status, ms };
    const { sessions, connections, transports = [], aead } = status;
    const only = sessions?.length === 1 ? sessions[0]! : null;
    return {
      peer: peerOf(status, only),
      ...(sessions !== undefined && { sessions: sessions.length }),
      ...(connections !== undefined && { connections: connections.open }),
      transports,
      ...(aead !== undefined && { aead }),
      ...(only !== null && factsOf(only)),
      sentBytesPerSecond: rateOf(sentBytes),
      receivedBytesPerSecond: rateOf(receivedBytes),
      sentBytes: this.#sentBytes,
      receivedBytes: this.#receivedBytes,
      seconds: only?.seconds ?? (ms - this.#began) / 1000,
    };
  }
}

function factsOf({ wire, cipher, carriers }: SessionStatus) {
  const rttMs = carriers.at(-1)?.rttMs;
  return {
    wire,
    ...(cipher !== undefined && { cipher }),
    ...(rttMs !== undefined && { rttMs }),
  };
}

/** A client is named by its server as it was given, a server's only client by its name. */
function peerOf({ server, listen }: EndStatus, only: SessionStatus | null): string | null {
  return server ?? only?.name ?? only?.peer ?? listen?.join(" ") ?? null;
}

/** Bytes between two moments: of connections where these are counted, else of sessions. */
function carriedBetween(before: EndStatus, after: EndStatus): TrafficStatus {
  const { sentBytes, receivedBytes } = after.connections ?? {};
  if (sentBytes !== undefined && receivedBytes !== undefined) {
    const { sentBytes: sent = 0, receivedBytes: received = 0 } = before.connections ?? {};
    return { sentBytes: sentBytes - sent, receivedBytes: receivedBytes - received };
  }
  const old = new Map(before.sessions?.map((session) => [session.id, session]));
  const total = { sentBytes: 0, receivedBytes: 0 };
  for (const session of after.sessions ?? []) {
    const earlier = old.get(session.id);
    total.sentBytes += session.sentBytes - (earlier?.sentBytes ?? 0);
    total.receivedBytes += session.receivedBytes - (earlier?.receivedBytes ?? 0);
  }
  return total;
}
