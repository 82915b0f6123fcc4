import type { Logger } from "../base/log.ts";
import type { Stream, Tuning } from "../contract/stream.ts";

/**
 * What a tunnel's connection is set to (docs/ttun-v1.md, "Behaviour of the existing programs", and
 * what keeps a session through an outage of some seconds).
 */
const TUNNEL_TUNING: Tuning = {
  noDelay: true,
  keepAliveSeconds: 15,
  userTimeoutMs: 60_000,
  maxRetransmitPauseMs: 4_000,
};

/** Newer than most kernels, and a session does without it: not worth more than a debug line. */
const OPTIONAL = ["TCP_RTO_MAX_MS"];

/** What Linux does not take on a Multipath TCP socket (6.18): retransmissions end it later. */
const NOT_FOR_MPTCP = ["TCP_USER_TIMEOUT"];

/** Tunes connections; says once, in one line, which options this transport cannot set. */
export class Tuner {
  readonly #log: Logger;
  #said = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  tune(stream: Stream): void {
    const unset = stream.tune(TUNNEL_TUNING);
    if (unset.length === 0 || this.#said) return;
    this.#said = true;
    const { protocol } = stream.info();
    const excused = protocol === "mptcp" ? [...OPTIONAL, ...NOT_FOR_MPTCP] : OPTIONAL;
    const level = unset.every((name) => excused.includes(name)) ? "debug" : "warn";
    this.#log[level]("socket options that cannot be set here", { options: unset.join(",") });
  }
}
