import { type Cidr, type HostPort, ipBytes } from "../../base/addr.ts";
import { toTtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import type { Clock, Resolver, Rng } from "../../contract/host.ts";
import { Backoff } from "../../core/net/backoff.ts";
import { onAbort } from "../../base/scope.ts";
import { sleep } from "../loop/sleep.ts";

/** A route with a shorter prefix counts as one for all traffic, or half of it. */
const WIDE = 8;

/** Milliseconds between two lookups: the network may be about to come up. */
const LONGEST_PAUSE = 5_000;

/** Milliseconds that other routes wait: most likely no name server is in their networks. */
const PATIENCE = 5_000;

export interface FirstAddressesOptions {
  readonly server: Pick<HostPort, "host">;
  readonly routes: readonly Cidr[];
  readonly retries: number;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rng: Rng;
  readonly signal: AbortSignal;
}

/**
 * Resolves the server's name before the tunnel's routes can lead name queries into the tunnel,
 * which needs the answer to come up. Retries if the routes take all traffic. Returns an empty array
 * if the addresses are not needed or not known.
 * @throws {TtunError} `name` after `retries` + 1 failures; otherwise the signal's reason
 */
export async function firstAddresses(o: FirstAddressesOptions): Promise<readonly string[]> {
  const { server: { host }, routes } = o;
  if (ipBytes(host) !== null || host.includes("%") || routes.length === 0) return [];
  return routes.some(({ prefix }) => prefix < WIDE) ? await askUntilKnown(o) : await askOnce(o);
}

async function askOnce({ server, resolver, clock, signal }: FirstAddressesOptions) {
  const late = new AbortController();
  using _registration = onAbort(signal, (reason) => late.abort(reason));
  using _timer = clock.after(PATIENCE, () => late.abort());
  try {
    return await resolver.resolve(server.host, { signal: late.signal });
  } catch {
    signal.throwIfAborted();
    return []; // every connection attempt resolves again and reports the failure
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
