import { formatAddr, type HostPort, parseIp } from "../base/addr.ts";
import { TtunError } from "../base/errors.ts";
import { onAbort } from "../base/scope.ts";
import type { Clock, Resolver } from "../contract/host.ts";
import type { Dialer, Stream } from "../contract/stream.ts";

/** RFC 8305 section 5: how long an attempt has before the next one starts beside it. */
const ATTEMPT_DELAY = 250;

/**
 * Connects to a host by name: resolves it, then tries its addresses in turn, each a little after
 * the one before and IPv6 and IPv4 by turns (RFC 8305). The first connection wins; the others are
 * given up. The stream lives under `signal`.
 * @throws {TtunError} name; timeout after `timeoutMs` for all of it; else the first attempt's error
 */
export async function dialAny(o: {
  to: HostPort;
  dialer: Dialer;
  resolver: Resolver;
  clock: Clock;
  signal: AbortSignal;
  timeoutMs: number;
}): Promise<Stream> {
  o.signal.throwIfAborted();
  const attempts = new AbortController();
  using _tie = onAbort(o.signal, (reason) => attempts.abort(reason));
  using _timeout = o.clock.after(o.timeoutMs, () => attempts.abort(tooLong(o.to, o.timeoutMs)));
  const { signal } = attempts;
  const addresses = interleave(await abortable(o.resolver.resolve(o.to.host, { signal }), signal));
  return await race(addresses.map((host) => ({ host, port: o.to.port })), o, signal);
}

/** `promise`, or the signal's reason when that comes first. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _tie = onAbort(signal, reject);
  return await Promise.race([promise, aborted]);
}

/** Families by turns, the first address's family first; the order within a family is kept. */
export function interleave(addresses: readonly string[]): string[] {
  const family = (address: string) => parseIp(address)?.length;
  const first = addresses.filter((a) => family(a) === family(addresses[0]!));
  const other = addresses.filter((a) => family(a) !== family(addresses[0]!));
  const found: string[] = [];
  for (let i = 0; i < Math.max(first.length, other.length); i++) {
    if (i < first.length) found.push(first[i]!);
    if (i < other.length) found.push(other[i]!);
  }
  return found;
}

async function race(
  targets: HostPort[],
  o: { dialer: Dialer; clock: Clock; signal: AbortSignal },
  signal: AbortSignal,
): Promise<Stream> {
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  using _tie = onAbort(signal, reject);
  // Each attempt's stream lives under a controller of its own, tied to the caller's signal for good.
  const running = new Set<AbortController>();
  let next = 0;
  let failed = 0;
  let firstError: unknown;
  let won = false;
  let timer: Disposable | null = null;
  const start = () => {
    timer?.[Symbol.dispose]();
    timer = null;
    if (won || signal.aborted || next >= targets.length) return;
    const target = targets[next++]!;
    const own = new AbortController();
    running.add(own);
    const tie = onAbort(o.signal, (reason) => own.abort(reason));
    timer = o.clock.after(ATTEMPT_DELAY, start);
    o.dialer.dial(target, { signal: own.signal }).then((stream) => {
      if (won || signal.aborted) return void stream[Symbol.asyncDispose]();
      won = true;
      running.delete(own);
      resolve(stream);
    }, (error) => {
      tie[Symbol.dispose]();
      running.delete(own);
      firstError ??= error;
      if (++failed === targets.length) reject(firstError);
      else start();
    });
  };
  start();
  try {
    return await promise;
  } finally {
    (timer as Disposable | null)?.[Symbol.dispose]();
    for (const loser of running) {
      loser.abort(new TtunError("lost", "Gave up: another address answered first"));
    }
  }
}

function tooLong(to: HostPort, ms: number): TtunError {
  return new TtunError(
    "timeout",
    `Cannot connect to ${formatAddr(to)}: no answer within ${ms / 1000} s`,
  );
}
