import { type Cidr, type HostPort, ipBytes } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver, Rng } from "../../contract/host.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { onAbort } from "../../base/scope.ts";
import { sleep } from "../loop/sleep.ts";

/** A network with a shorter prefix is taken for all traffic, or half of it. */
const WIDE = 8;

/** The network may be about to come up: the name is asked for again at the latest after so long. */
const LONGEST_PAUSE = 5_000;

/** How long other routes may be kept waiting: most likely no name server is in their networks. */
const PATIENCE = 5_000;

export interface FirstAddressesOptions {
  readonly server: HostPort;
  /** Networks that will be routed into the tunnel. */
  readonly routes: readonly Cidr[];
  readonly retries: number;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng: Rng;
  readonly signal: AbortSignal;
}

/**
 * The addresses of the server's name, asked for while the tunnel has no routes yet: they may take the
 * questions to the name server into the tunnel, which is not up without an answer. Where they take all
 * traffic it is asked until there is an answer, else the client goes on without. Empty where that is
 * not needed, or not known.
 * @throws {TtunError} name, when that has failed `retries` + 1 times; the signal's reason
 */
export async function firstAddresses(o: FirstAddressesOptions): Promise<readonly string[]> {
  const { server: { host }, routes } = o;
  if (ipBytes(host) !== null || host.includes("%") || routes.length === 0) return [];
  return routes.some(({ prefix }) => prefix < WIDE) ? await askUntilKnown(o) : await askOnce(o);
}

async function askOnce({ server, resolver, clock, signal }: FirstAddressesOptions) {
  const late = new AbortController();
  using _tie = onAbort(signal, (reason) => late.abort(reason));
  using _timer = clock.after(PATIENCE, () => late.abort());
  try {
    return await resolver.resolve(server.host, { signal: late.signal });
  } catch {
    signal.throwIfAborted();
    return []; // it is asked again at each attempt, which tells why that fails
  }
}

async function askUntilKnown(o: FirstAddressesOptions): Promise<string[]> {
  const { clock, log, signal } = o;
  const backoff = new Backoff();
  for (let failures = 0;;) {
    try {
      return await o.resolver.resolve(o.server.host, { signal });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toTtunError(thrown);
      if (++failures > o.retries) throw error;
      const pause = Math.min(LONGEST_PAUSE, backoff.pause(o.rng(1)[0]! / 256));
      log.warn(`${error.message}; the device is made when the server's name is known`, {
        retry_in_seconds: Math.round(pause / 100) / 10,
      });
      await sleep(clock, pause, signal);
    }
  }
}
