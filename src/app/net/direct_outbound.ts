import { ipBytes } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Dialer, DialEvents, Stream } from "../../contract/stream.ts";
import { type Failure, failureOf } from "../../core/proxy/failure.ts";
import type { Acl } from "../../core/proxy/acl.ts";
import { formatTarget, type Target } from "../../base/target.ts";
import { type NameOwner, startAny } from "./dial_host.ts";
import { promised } from "./dial_events.ts";

const NOTHING = new Uint8Array();

const NO_DELAY = { noDelay: true };

/** Why a target is not connected, for its client; the message is for the log. */
export class ConnectError extends Error {
  override readonly name = "ConnectError";
  readonly failure: Failure;

  constructor(failure: Failure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

export interface ConnectOptions {
  readonly signal: AbortSignal;
  /** The first bytes for the target, which may go along with the wish for the connection. */
  readonly early?: Uint8Array;
  /** They must not come there twice. */
  readonly once?: boolean;
  /** On whose behalf. */
  readonly client?: NameOwner | undefined;
}

/**
 * Connects to a target, unless `signal` aborts before; the stream ends at the latest with the whole
 * proxy. What the events tell of a failure is a ConnectError, or the signal's reason. Returns as
 * `OnReady`.
 */
export type Connect = (
  target: Target,
  o: ConnectOptions,
  events: DialEvents,
) => boolean | void;

/** The same by a promise. @throws {ConnectError} */
export function connectTo(connect: Connect, target: Target, o: ConnectOptions): Promise<Stream> {
  return promised((events) => connect(target, o, events));
}

/** Whatever went wrong with a connect, as the client is to be told. */
export function toConnectError(thrown: unknown, target: Target): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const failure = thrown instanceof TtunError ? failureOf(thrown) : "general";
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  return new ConnectError(failure, `${formatTarget(target)}: ${words}`, { cause: thrown });
}

/**
 * Connects from this machine: resolves the name here, keeps to the rules for each of its addresses,
 * and tries them as RFC 8305 has it. `rules` null: whatever is asked for.
 */
export function directOutbound(o: {
  dialer: Dialer;
  resolver: Resolver;
  clock: Clock;
  connectMs: number;
  rules: Acl | null;
}): Connect {
  const { dialer, resolver, clock, connectMs: timeoutMs, rules } = o;
  return (target, { signal, early = NOTHING, client }, events) => {
    const choose = rules === null
      ? undefined
      : (addresses: string[]) => allowed(addresses, rules, target);
    return startAny(
      { to: target, dialer, resolver, clock, timeoutMs, signal, choose, client },
      new Reaching(target, early, events),
    );
  };
}

/** Who waits for a connection to a target. */
class Reaching implements DialEvents {
  readonly #target: Target;
  readonly #early: Uint8Array;
  readonly #events: DialEvents;

  constructor(target: Target, early: Uint8Array, events: DialEvents) {
    this.#target = target;
    this.#early = early;
    this.#events = events;
  }

  connected(stream: Stream): boolean | void {
    try {
      stream.tune(NO_DELAY);
      const writing = this.#early.length > 0 ? stream.write(this.#early) : undefined;
      if (writing === undefined) return this.#events.connected(stream);
      writing.then(
        () => void this.#events.connected(stream),
        (error) => void this.#lost(stream, error),
      );
    } catch (error) {
      return this.#lost(stream, error);
    }
  }

  #lost(stream: Stream, error: unknown): boolean | void {
    void stream[Symbol.asyncDispose]();
    return this.failed(error);
  }

  failed(thrown: unknown): boolean | void {
    return this.#events.failed(toConnectError(thrown, this.#target));
  }
}

/** Of addresses that may be connected to and others the others are left out. */
function allowed(addresses: string[], rules: Acl, target: Target): string[] {
  if (addresses.length === 0) return []; // that is the name's fault, and no rule's
  let why = "it has no address";
  const found = addresses.filter((address) => {
    const ip = ipBytes(withoutZone(address));
    const verdict = ip === null ? null : rules.judge(ip, target.port);
    if (verdict !== null) why = `${address}: ${verdict.why}`;
    return verdict?.isAllowed === true;
  });
  if (found.length === 0) {
    const words = `${formatTarget(target)}: ${why} (an --allow for it lets clients there)`;
    throw new ConnectError("denied", words);
  }
  return found;
}
