import type { LogFields, Logger } from "../../base/log.ts";
import type { CongestionChoice, Connection, SocketOptions } from "../../contract/connection.ts";

/**
 * Unsent bytes in a connection's kernel before a write waits. UNSENT_USUAL holds the largest batch,
 * so that a fast link never runs dry, and a slow link is noticed within milliseconds.
 * UNSENT_LITTLE, for a link with a packet queue, is what a slow link sends in some milliseconds.
 */
export const UNSENT_USUAL = 256 * 1024;
export const UNSENT_LITTLE = 32 * 1024;

/** Keeps a session through an outage of some seconds (docs/wire/ttun-v1.md, "Behaviour"). */
const TUNNEL_TUNING: SocketOptions = {
  noDelay: true,
  keepAliveSeconds: 15,
  userTimeoutMs: 60_000,
  maxRetransmitPauseMs: 4_000,
  unsentBytes: UNSENT_USUAL,
};

/** Newer than most kernels and not essential: only logged at debug level. */
const OPTIONAL = ["TCP_RTO_MAX_MS", "TCP_NOTSENT_LOWAT"];

/** Linux (6.18) refuses these on Multipath TCP; retransmissions end the connection later. */
const NOT_FOR_MPTCP = ["TCP_USER_TIMEOUT"];

/** A choice by the path is one that the system may also leave as it is. */
const NOT_FOR_SURE = ["TCP_CONGESTION"];

/** Sets socket options; logs once which ones this transport does not support. */
export class Tuner {
  readonly #log: Logger;
  readonly #tuning: SocketOptions;
  readonly #excused: readonly string[];
  #said = false;

  /** `congestion`: undefined = the system's. */
  constructor(log: Logger, congestion?: CongestionChoice) {
    this.#log = log;
    this.#tuning = congestion === undefined ? TUNNEL_TUNING : { ...TUNNEL_TUNING, congestion };
    this.#excused = congestion?.near === congestion?.far
      ? OPTIONAL
      : [...OPTIONAL, ...NOT_FOR_SURE];
  }

  tune(stream: Connection): void {
    const unset = stream.setOptions(this.#tuning);
    if (unset.length === 0 || this.#said) return;
    this.#said = true;
    const { protocol } = stream.stats();
    const excused = protocol === "mptcp" ? [...this.#excused, ...NOT_FOR_MPTCP] : this.#excused;
    const level = unset.every((name) => excused.includes(name)) ? "debug" : "warn";
    this.#log[level]("socket options that cannot be set here", { options: unset.join(",") });
  }
}

/** Returns its field of a log line; empty where the system does not tell. */
export function congestionField({ congestion }: Connection): LogFields {
  return congestion === "" ? {} : { congestion };
}
