import type { Logger } from "../../base/log.ts";
import type { SocketOptions, Stream } from "../../contract/stream.ts";

/**
 * Bytes that a connection's kernel may hold unsent before a write waits. Usually: enough for the
 * largest batch, so that a fast link is never short of work, and so little that a slow one shows
 * within milliseconds. With a backlog of our own: what a slow link sends in some milliseconds.
 */
export const UNSENT_USUAL = 256 * 1024;
export const UNSENT_LITTLE = 32 * 1024;

/**
 * What a tunnel's connection is set to (docs/ttun-v1.md, "Behaviour of the existing programs", and
 * what keeps a session through an outage of some seconds).
 */
const TUNNEL_TUNING: SocketOptions = {
  noDelay: true,
  keepAliveSeconds: 15,
  userTimeoutMs: 60_000,
  maxRetransmitPauseMs: 4_000,
  unsentBytes: UNSENT_USUAL,
};

/** Newer than most kernels, and a session does without it: not worth more than a debug line. */
const OPTIONAL = ["TCP_RTO_MAX_MS", "TCP_NOTSENT_LOWAT"];

/** What Linux does not take on a Multipath TCP socket (6.18): retransmissions end it later. */
const NOT_FOR_MPTCP = ["TCP_USER_TIMEOUT"];

/** Tunes connections; says once, in one line, which options this transport cannot set. */
export class Tuner {
  readonly #log: Logger;
  readonly #tuning: SocketOptions;
  #said = false;

  /** `congestion`: the kernel's name of a congestion control; undefined = as the system has it. */
  constructor(log: Logger, congestion?: string) {
    this.#log = log;
    this.#tuning = congestion === undefined ? TUNNEL_TUNING : { ...TUNNEL_TUNING, congestion };
  }

  tune(stream: Stream): void {
    const unset = stream.tune(this.#tuning);
    if (unset.length === 0 || this.#said) return;
    this.#said = true;
    const { protocol } = stream.info();
    const excused = protocol === "mptcp" ? [...OPTIONAL, ...NOT_FOR_MPTCP] : OPTIONAL;
    const level = unset.every((name) => excused.includes(name)) ? "debug" : "warn";
    this.#log[level]("socket options that cannot be set here", { options: unset.join(",") });
  }
}
