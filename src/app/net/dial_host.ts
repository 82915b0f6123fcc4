import { type HostPort, isIpAddress } from "../../base/addr.ts";
import { NameError, TtunError } from "../../base/errors.ts";
import { noAnswer } from "../../base/dial_timeout.ts";
import { abortable, onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { Clock, NameOwner, Resolver } from "../../contract/host.ts";
import type { Dialer, DialEvents } from "../../contract/dial.ts";
import type { Connection } from "../../contract/connection.ts";
import { type EyeballStep, HappyEyeballs } from "../../core/net/happy_eyeballs.ts";
import { type Failure, failureOf, mostTelling } from "../../core/proxy/failure.ts";
import { dial, promised, tell } from "./dial_events.ts";

/**
 * Resolves a host and tries its addresses as in RFC 8305: each a little after the one before, IPv6
 * and IPv4 in turn. The stream lives until `signal` aborts.
 * @throws {TtunError} `name`; `timeout` after `timeoutMs` in total; otherwise the most telling
 * error of the attempts: a refused address rather than a silent one
 */
export function dialAny(o: DialAnyOptions): Promise<Connection> {
  return promised((events) => startAny(o, events));
}

export function startAny(o: DialAnyOptions, events: DialEvents): boolean | void {
  if (isIpAddress(o.to.host)) return startAddress(o, events);
  tell(events, dialName(o));
}

export interface DialAnyOptions {
  readonly to: HostPort;
  readonly dialer: Dialer;
  readonly resolver: Resolver;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Lifetime of a stream that may outlive the dial; absent = `signal`. */
  readonly life?: AbortSignal;
  readonly timeoutMs: number;
  /** Milliseconds for resolving the name; absent = part of `timeoutMs`. */
  readonly nameMs?: number;
  readonly client?: NameOwner | undefined;
  /** Selects the addresses that may be tried; throws if none may be. */
  readonly choose?: ((addresses: string[]) => string[]) | undefined;
}

function startAddress(o: DialAnyOptions, events: DialEvents): boolean | void {
  const { to, dialer, signal, life = signal, timeoutMs, choose } = o;
  try {
    choose?.([to.host]);
  } catch (error) {
    return events.failed(error);
  }
  const how = life === signal ? { signal, timeoutMs } : { signal: life, cancel: signal, timeoutMs };
  return dialer.start(to, how, events);
}

async function dialName(o: DialAnyOptions): Promise<Connection> {
  o.signal.throwIfAborted();
  const attempts = new AbortController();
  using _registration = onAbort(o.signal, (reason) => attempts.abort(reason));
  const { clock, timeoutMs, nameMs = timeoutMs, to } = o;
  const { signal } = attempts;
  const began = clock.now();
  const found = await resolveInTime(o, nameMs, attempts);
  const left = o.nameMs === undefined ? Math.max(0, began + timeoutMs - clock.now()) : timeoutMs;
  using _timeout = clock.after(left, () => attempts.abort(noAnswer(to, timeoutMs)));
  return await race(o.choose === undefined ? found : o.choose(found), o, signal);
}

/** A time-out here is a name error, as nothing has been dialled yet. */
async function resolveInTime(
  { resolver, clock, to: { host }, client }: DialAnyOptions,
  ms: number,
  attempts: AbortController,
): Promise<string[]> {
  const { signal } = attempts;
  const words = `Cannot resolve ${JSON.stringify(host)}: no answer from the name servers within ${
    ms / 1000
  } s`;
  using _timeout = clock.after(ms, () => attempts.abort(new NameError("silent", words)));
  return await abortable(resolver.resolve(host, { signal, owner: client?.owner }), signal);
}

/** Runs the attempts (core/net/happy_eyeballs.ts). */
async function race(
  addresses: string[],
  o: Pick<DialAnyOptions, "to" | "dialer" | "clock" | "signal" | "life">,
  signal: AbortSignal,
): Promise<Connection> {
  const { clock } = o;
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const errors = new Map<Failure, unknown>();
  const fail = (failure: Failure, last: unknown) => reject(errors.get(failure) ?? last);
  using _registration = onAbort(signal, (reason) => {
    if (o.signal.aborted) reject(reason);
    else fail(mostTelling([...errors.keys(), "timeout"]), reason);
  });
  const running = new Map<string, AbortController>();
  const machine = new HappyEyeballs(addresses, { now: clock.now(), timeoutMs: Infinity });
  let timer: Disposable | null = null;
  const start = (address: string) => {
    const own = new AbortController();
    running.set(address, own);
    // The caller's signal only: a listener that links two signals would never be removed.
    const life = { signal: o.life ?? o.signal, cancel: own.signal };
    dial(o.dialer, { host: address, port: o.to.port }, life).then((stream) => {
      const steps = signal.aborted ? [] : machine.succeeded(address);
      if (steps.length === 0) return startClose(stream);
      running.delete(address);
      resolve(stream);
      perform(steps);
    }, (error) => {
      running.delete(address);
      const failure = error instanceof TtunError ? failureOf(error) : "general";
      if (!errors.has(failure)) errors.set(failure, error);
      perform(machine.failed(address, failure, clock.now()));
    });
  };
  const perform = (steps: EyeballStep[]) => {
    for (const step of signal.aborted ? [] : steps) {
      if (step.kind === "start") start(step.address);
      else if (step.kind === "cancel") giveUp(running.get(step.address));
      else if (step.kind === "failed") {
        fail(step.failure, new TtunError("name", `${o.to.host} has no address`));
      } else if (step.kind === "wakeAt" && step.at < Infinity) {
        timer?.[Symbol.dispose]();
        timer = clock.after(step.at - clock.now(), () => perform(machine.woke(clock.now())));
      }
    }
  };
  perform(machine.begin(clock.now()));
  try {
    return await promise;
  } finally {
    (timer as Disposable | null)?.[Symbol.dispose]();
    if (signal.aborted) { for (const own of running.values()) giveUp(own); }
  }
}

function giveUp(attempt: AbortController | undefined): void {
  attempt?.abort(new TtunError("lost", "Gave up: another address answered first"));
}
