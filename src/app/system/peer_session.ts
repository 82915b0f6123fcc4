import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { MitmSuspected } from "../../core/link/v2/handshake.ts";
import type { Stream } from "../../contract/stream.ts";
import type { WireSecrets } from "../link/config.ts";
import { sleep } from "../loop/sleep.ts";
import { tell } from "../net/dial_events.ts";
import type { DirectServer } from "./server_name.ts";
import { type RelayScope, relayScope, type RelayScopeOptions } from "../net/relay_scope.ts";

const CHUNK = 64 * 1024;

/**
 * Seconds without a byte after which a pipe's peer counts as dead, where its session does not go on
 * over another connection: a user may stop it for a while, as by Ctrl-Z.
 */
const PATIENT_SECONDS = 60;

/** Services by which an end of a pipe asks for it, and says that it has written all that came. */
export const PIPE = "pipe";
export const PIPE_END = "pipe-end";

/** Milliseconds from an attempt whose connection broke at once to the next. */
const PAUSE_MS = 300;

/** Attempts that may fail so, one after the other. */
const MOST_ATTEMPTS = 10;

/** Two ends of a pipe, whose bytes go over a session of link version 2. */
export interface PeerSessionOptions {
  /** Standard input and output; the caller's. */
  readonly stdio: Stream;
  readonly secrets: WireSecrets;
  /** Milliseconds that the pipe waits for another connection; 0 = it ends with its first one. */
  readonly keepMs: number;
  /** Undefined = the system's. */
  readonly congestion?: CongestionChoice | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The peer has proved the key. */
  readonly onUp: () => void;
  /** Called with the bytes of the pipe, a count that goes on. */
  readonly onTraffic?: RelayScopeOptions["onTraffic"];
}

/** Returns the seconds until a silent peer is dead; undefined = the usual ones. */
export function deadTimeOf({ keepMs }: Pick<PeerSessionOptions, "keepMs">): number | undefined {
  return keepMs > 0 ? undefined : PATIENT_SECONDS;
}

/** Connects with the peer anew. The connection is the callee's. @throws {TtunError} unreachable */
export type ReachPeer = (signal: AbortSignal) => Promise<Connection>;

/** Runs what carries bytes; its end ends all. */
export async function pipeScope(
  { clock, signal, onTraffic }: Pick<PeerSessionOptions, "clock" | "signal" | "onTraffic">,
  body: (scope: RelayScope) => void,
): Promise<void> {
  const limits = { idleMs: Infinity, halfClosedMs: Infinity };
  await relayScope({ clock, signal, limits, chunk: CHUNK, onTraffic }, body);
}

/** The peer had given the connection up when it came, or another program has closed it. */
export function isBroken(error: TtunError): boolean {
  return error.kind === "lost";
}

/**
 * Runs `attempt` until one fails for more than such a reason, or after the peer has proved the key.
 * @throws what it throws
 */
export async function retryBroken(
  { clock, log, signal }: Pick<PeerSessionOptions, "clock" | "log" | "signal">,
  attempt: (proved: () => void) => Promise<void>,
  mayRetry: (error: TtunError) => boolean,
): Promise<void> {
  for (let left = MOST_ATTEMPTS;; left--) {
    let isProved = false;
    try {
      return await attempt(() => void (isProved = true));
    } catch (error) {
      signal.throwIfAborted();
      const mayGoOn = error instanceof TtunError && mayRetry(error);
      if (!mayGoOn || isProved || left <= 1) throw error;
      log.warn("no peer on this connection: trying again", { why: error.message });
    }
    await sleep(clock, PAUSE_MS, signal);
  }
}

/** Returns a peer that is reached in one way. */
export function peerServer(reach: ReachPeer): DirectServer {
  return {
    name: "the peer",
    dialer: { start: (_, { signal }, events) => tell(events, reach(signal)) },
  };
}

/** Says what may be wrong when the peer does not prove the key. */
export function otherKey(cause: TtunError): TtunError {
  const words = "both ends take the same one by --key-file, TTUN_KEY or --key";
  return suspected(cause) ?? unproved("it has another key, or none, or is no ttun", words, cause);
}

/** Says what may be wrong when the peer does not prove the key of a ticket. */
export function otherTicket(cause: TtunError): TtunError {
  const words = "ttun peer listen there prints one, which is for one run";
  return suspected(cause) ?? unproved("this ticket is not its own, or it is no ttun", words, cause);
}

function suspected(cause: TtunError): MitmSuspected | null {
  for (let one: unknown = cause; one instanceof Error; one = one.cause) {
    if (one instanceof MitmSuspected) return one;
  }
  return null;
}

function unproved(why: string, what: string, cause: TtunError): TtunError {
  const words = `Cannot authenticate the peer: ${why}; ${what} (${cause.message})`;
  return new TtunError("auth", words, { cause });
}

export function peerLost(): TtunError {
  return new TtunError(
    "lost",
    "Lost the connection with the peer before its end: the last bytes may be missing",
  );
}
