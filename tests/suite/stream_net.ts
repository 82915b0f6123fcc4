import type { Addr } from "../../src/base/addr.ts";
import type { Dialer, Listener } from "../../src/contract/dial.ts";
import type { Connection } from "../../src/contract/connection.ts";
import type { MaybePromise, Stream } from "../../src/contract/stream.ts";
import { accept, read } from "../../src/app/loop/stream_io.ts";
import { dial } from "../../src/app/net/dial_events.ts";

/** One transport as the conformance cases see it: both ends are in this process. */
export interface StreamNet extends AsyncDisposable {
  readonly dialer: Dialer;
  listen(at: Addr, o: { signal: AbortSignal }): Listener;
  /** Where a case may listen: port 0 where the transport then chooses one. */
  readonly at: Addr;
  /** By the transport's own clock: where the thread blocks there is no other. */
  pause(ms: number): Promise<void>;
  readonly traits: StreamTraits;
}

export interface StreamTraits {
  /** More bytes than the transport holds while nobody reads. */
  readonly flood: number;
  /** The largest transfer that is no waste of time. */
  readonly most: number;
  /** `reset` really tells the peer; else it is an ordinary close. */
  readonly resets: boolean;
  /** True if data for a closed end is refused at once; Multipath TCP swallows it for a minute. */
  readonly refusesWhenClosed: boolean;
  /** An end is said: what an abort cuts off is a loss for the peer. Else it looks like an end. */
  readonly saysEnd?: boolean;
  /** False if nothing is heard of a port where nobody listens. */
  readonly saysRefused?: boolean;
  /** Hosts are IP addresses of this machine. */
  readonly ip: boolean;
}

export interface StreamCase {
  readonly name: string;
  /** Which transports it is for; without: all. */
  readonly when?: (traits: StreamTraits) => boolean;
  run(net: StreamNet): Promise<void>;
}

/** A call whose failure, thrown at once or later, is a rejection. */
export async function later<T>(call: () => MaybePromise<T>): Promise<T> {
  return await call();
}

/** Two ends of one connection, and what ends each. */
export interface Pair extends AsyncDisposable {
  readonly listener: Listener;
  readonly here: Connection;
  readonly there: Connection;
  readonly hereStop: AbortController;
  readonly thereStop: AbortController;
}

/** `here` dialled, `there` was accepted. */
export async function connect(net: StreamNet, at: Addr = net.at): Promise<Pair> {
  await using opened = new AsyncDisposableStack();
  const [hereStop, thereStop] = [new AbortController(), new AbortController()];
  const listener = opened.use(net.listen(at, { signal: new AbortController().signal }));
  const accepting = later(() => accept(listener, { signal: thereStop.signal }));
  const dialling = dial(net.dialer, listener.addr, { signal: hereStop.signal });
  const [there, here] = await Promise.all([accepting, dialling]);
  opened.use(there);
  opened.use(here);
  const kept = opened.move();
  return {
    listener,
    here,
    there,
    hereStop,
    thereStop,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Everything until the peer's FIN. */
export async function readAll(from: Stream): Promise<Uint8Array> {
  const into = new Uint8Array(64 * 1024);
  const parts: number[] = [];
  for (;;) {
    const got = await read(from, into);
    if (got === null) return Uint8Array.from(parts);
    parts.push(...into.subarray(0, got));
  }
}

/** Exactly `count` bytes. @throws {Error} when the peer ends before. */
export async function readExactly(from: Connection, count: number): Promise<Uint8Array> {
  const into = new Uint8Array(count);
  for (let at = 0; at < count;) {
    const got = await read(from, into.subarray(at));
    if (got === null) throw new Error(`Ended after ${at} of ${count} bytes`);
    at += got;
  }
  return into;
}
