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
const OPTIONAL = "TCP_RTO_MAX_MS";

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
    const level = unset.every((name) => name === OPTIONAL) ? "debug" : "warn";
    this.#log[level]("socket options that cannot be set here", { options: unset.join(",") });
  }
}
