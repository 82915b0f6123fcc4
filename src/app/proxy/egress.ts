import { ipBytes } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Dialer, Stream } from "../../contract/stream.ts";
import { type Failure, failureOf } from "../../core/proxy/failure.ts";
import type { AddressRules } from "../../core/proxy/rules.ts";
import { formatTarget, type Target } from "../../core/proxy/target.ts";
import { dialAny } from "../dial_any.ts";

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

/**
 * Connects to a target, unless `signal` aborts before; the stream ends at the latest with the whole
 * proxy. `early`: the first bytes for the target, which may go along with the wish for the
 * connection; unless `once` it does no harm if they come twice.
 * @throws {ConnectError}
 */
export type Connect = (
  target: Target,
  o: { signal: AbortSignal; early?: Uint8Array; once?: boolean },
) => Promise<Stream>;

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
export function connectFromHere(o: {
  dialer: Dialer;
  resolver: Resolver;
  clock: Clock;
  connectMs: number;
  rules: AddressRules | null;
}): Connect {
  return async (target, { signal, early }) => {
    let stream: Stream | null = null;
    try {
      stream = await dialAny({
        to: target,
        dialer: o.dialer,
        resolver: o.resolver,
        clock: o.clock,
        timeoutMs: o.connectMs,
        signal,
        choose: (addresses) => o.rules === null ? addresses : allowed(addresses, o.rules, target),
      });
      stream.tune(NO_DELAY);
      if (early !== undefined && early.length > 0) await stream.write(early);
      return stream;
    } catch (thrown) {
      await stream?.[Symbol.asyncDispose]();
      throw toConnectError(thrown, target);
    }
  };
}

/** Of addresses that may be connected to and others the others are left out. */
function allowed(addresses: string[], rules: AddressRules, target: Target): string[] {
  if (addresses.length === 0) return []; // that is the name's fault, and no rule's
  let why = "it has no address";
  const found = addresses.filter((address) => {
    const ip = ipBytes(address);
    const verdict = ip === null ? null : rules.judge(ip);
    if (verdict !== null) why = `${address}: ${verdict.why}`;
    return verdict?.isAllowed === true;
  });
  if (found.length === 0) {
    const words = `${formatTarget(target)}: ${why} (an --allow for it lets clients there)`;
    throw new ConnectError("denied", words);
  }
  return found;
}
