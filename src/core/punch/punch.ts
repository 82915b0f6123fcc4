import type { HostPort } from "../../base/addr.ts";

/** Milliseconds until a connect that nobody answers is made anew, as a NAT may forget it. */
export const CONNECT_MS = 3000;

/**
 * Milliseconds between an attempt that was refused and the next: a NAT or host answers a SYN that
 * comes too early with RST, and both ends should soon hit the moment in which both have sent one.
 */
const QUICK_PAUSE = { least: 20, most: 120 };
const QUICK_ATTEMPTS = 20;
const SLOW_PAUSE = { least: 200, most: 1000 };

export type PunchStep =
  /** Connect from the local port to the peer's address. */
  | { readonly kind: "connect" }
  /** The connection is there. */
  | { readonly kind: "won" }
  /** Close a connection that was accepted: it is another's. */
  | { readonly kind: "drop" }
  | { readonly kind: "failed"; readonly why: PunchFailure };

/** Facts about a punch that failed. */
export interface PunchFailure {
  readonly refused: number;
  readonly unanswered: number;
  /** Attempts that this machine has not sent at all. */
  readonly unsent: number;
  /** Ports of the peer's address, other than the one it was to have, from which it came. */
  readonly otherPorts: readonly number[];
}

export interface PunchOptions {
  readonly peer: HostPort;
  /** Milliseconds in all. */
  readonly deadlineMs: number;
  /** Between 0 and 1. */
  readonly chance: () => number;
}

/**
 * TCP hole punching from one end: connects to the peer again and again while it listens on the same
 * port, until a connection of either kind is there. Of a simultaneous open (RFC 9293 section 3.5)
 * the connect succeeds. Times are milliseconds.
 */
export class Punch {
  readonly #o: PunchOptions;
  #deadline = Infinity;
  /** Time of the next connect; Infinity = one is under way, or it is over. */
  #nextAt = Infinity;
  #refused = 0;
  #unanswered = 0;
  #unsent = 0;
  #attempts = 0;
  readonly #otherPorts = new Set<number>();
  #isOver = false;

  constructor(o: PunchOptions) {
    this.#o = o;
  }

  begin(now: number): PunchStep[] {
    this.#deadline = now + this.#o.deadlineMs;
    return this.#connect();
  }

  /** How many connects there have been, with one under way. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Time at which `tick` is to be called; Infinity = only after something has happened. */
  get dueAt(): number {
    return this.#isOver ? Infinity : Math.min(this.#nextAt, this.#deadline);
  }

  tick(now: number): PunchStep[] {
    if (this.#isOver) return [];
    if (now >= this.#deadline) {
      this.#isOver = true;
      const [refused, unanswered, unsent] = [this.#refused, this.#unanswered, this.#unsent];
      const why = { refused, unanswered, unsent, otherPorts: [...this.#otherPorts] };
      return [{ kind: "failed", why }];
    }
    if (now < this.#nextAt) return [];
    this.#nextAt = Infinity;
    return this.#connect();
  }

  /** The connect under way has ended without a connection. */
  connectFailed(how: "refused" | "unanswered" | "unsent", now: number): void {
    if (how === "unanswered") {
      this.#unanswered++;
      this.#nextAt = now;
      return;
    }
    if (how === "refused") this.#refused++;
    else this.#unsent++;
    const isEarly = this.#refused + this.#unsent <= QUICK_ATTEMPTS;
    const { least, most } = isEarly ? QUICK_PAUSE : SLOW_PAUSE;
    this.#nextAt = now + least + (most - least) * this.#o.chance();
  }

  connected(): PunchStep[] {
    return this.#win();
  }

  /** A connection has come; others than the peer's are not counted. */
  accepted(from: HostPort): PunchStep[] {
    const { peer } = this.#o;
    if (from.host === peer.host && from.port === peer.port) return this.#win();
    if (from.host === peer.host && this.#otherPorts.size < 16) this.#otherPorts.add(from.port);
    return [{ kind: "drop" }];
  }

  #connect(): PunchStep[] {
    this.#attempts++;
    return [{ kind: "connect" }];
  }

  #win(): PunchStep[] {
    if (this.#isOver) return [{ kind: "drop" }];
    this.#isOver = true;
    return [{ kind: "won" }];
  }
}

/** Says why there is no connection, and what would help. */
export function punchFailureWords(
  { peer, deadlineMs }: Pick<PunchOptions, "peer" | "deadlineMs">,
  { refused, unanswered, unsent, otherPorts }: PunchFailure,
): string {
  const begin = `Cannot reach ${peer.host} within ${Math.round(deadlineMs / 1000)} s: `;
  if (otherPorts.length > 0) {
    return `${begin}it comes from port ${
      otherPorts.join(", ")
    } instead of ${peer.port}, so its NAT ` +
      "changes ports; give that port by -rport if it stays the same, else one of the two ends needs " +
      "a public address";
  }
  if (unsent > 0 && refused === 0 && unanswered === 0) {
    return `${begin}this machine has no route to it, or keeps the port for a connection that has ` +
      "ended, for a minute; see ip route get, or try again then";
  }
  if (refused > 0 && unanswered === 0) {
    return `${begin}its port ${peer.port} refuses; is ttun peer running there, with this machine's ` +
      "public address and port?";
  }
  return `${begin}nothing has come from it; is ttun peer running there, are both public addresses ` +
    "and ports right, and do both NATs keep the port (a NAT that changes ports at both ends cannot " +
    "be passed)?";
}

/**
 * Returns true if the end with the first address is the TLS client: the one whose public address is
 * greater, bytewise in its 16-byte form. @throws {RangeError} if they are the same
 */
export function isTlsClient(own: Uint8Array, peer: Uint8Array): boolean {
  for (let i = 0; i < own.length; i++) {
    if (own[i] !== peer[i]) return own[i]! > peer[i]!;
  }
  throw new RangeError("both ends have the same address");
}
