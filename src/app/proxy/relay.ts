import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { Now, OnReady, Stream } from "../../contract/stream.ts";
import { END, goOnUntil, NOTHING } from "../go_on.ts";
import type { Scratch } from "./scratch.ts";

/** After so many bytes without a wait the other connections have a turn. */
const BUDGET = 1024 * 1024;

/** What both directions of a relay share. */
export interface RelayOptions {
  readonly clock: Clock;
  readonly scratch: Scratch;
  /** After so long without a byte either way both ends are closed; Infinity = never. */
  readonly idleMs: number;
  /**
   * Aborts before the signals that the streams live under, which close them by FIN: what ttun's own
   * end cuts off must not look like an end. Both ends are reset.
   */
  readonly cut?: AbortSignal;
}

/** Bytes that each way has carried. */
export interface RelayCount {
  /** From the first stream to the second. */
  up: number;
  down: number;
}

/**
 * Carries bytes both ways until both have ended, and each end on its own: FIN as FIN, a reset as a
 * reset of the other. The streams stay the caller's to close.
 * @throws {TtunError} what broke either of them (both are reset then); timeout, when it was idle
 */
export function relay(
  first: Stream,
  second: Stream,
  o: RelayOptions,
  count: RelayCount = { up: 0, down: 0 },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let last = o.clock.now();
    let failure: { error: unknown } | null = null;
    let ways = 2;
    const end = (error: unknown) => {
      if (failure !== null) return;
      failure = { error };
      first.reset();
      second.reset();
    };
    const cut = whenCut(o.cut, end);
    const idle = whenIdle(o, () => last, () => {
      end(new TtunError("timeout", `Closed a connection that was idle for ${o.idleMs / 1000} s`));
    });
    const ended = () => {
      if (--ways > 0) return;
      cut[Symbol.dispose]();
      idle[Symbol.dispose]();
      if (failure === null) resolve();
      else reject(failure.error);
    };
    const failed = (error: unknown) => {
      end(error);
      ended();
    };
    const upward = (bytes: number) => {
      last = o.clock.now();
      count.up += bytes;
    };
    const downward = (bytes: number) => {
      last = o.clock.now();
      count.down += bytes;
    };
    carry(first, second, o, upward, ended, failed);
    carry(second, first, o, downward, ended, failed);
  });
}

/** One way, from the first byte to FIN. */
function carry(
  from: Stream,
  to: Stream,
  { clock, scratch }: RelayOptions,
  took: (bytes: number) => void,
  ended: () => void,
  failed: (error: unknown) => void,
): void {
  const onReady = (run: OnReady) => from.onReadable(run);
  const step = () => {
    const got = from.readNow(scratch.plain);
    if (got === undefined) return NOTHING;
    if (got === null) {
      const ending = to.closeWrite();
      return ending instanceof Promise ? ending.then(() => END) : END;
    }
    took(got);
    const writing = pass(to, scratch.plain.subarray(0, got));
    return writing instanceof Promise ? writing.then(() => got) : got;
  };
  goOnUntil({ clock, budget: BUDGET, onReady }, step, ended, failed);
}

/** Writes bytes that are lent for this call only: what has to wait is copied. */
export function pass(to: Stream, bytes: Uint8Array): Now<void> {
  const done = to.writeNow(bytes);
  if (done < bytes.length) return to.write(bytes.slice(done));
}

/** Calls `run` when the signal aborts, until disposed of. */
export function whenCut(cut: AbortSignal | undefined, run: (reason: unknown) => void): Disposable {
  return cut === undefined ? { [Symbol.dispose]: () => {} } : onAbort(cut, run);
}

/** Looks now and then: a timer for each byte would cost more than the byte. */
function whenIdle(
  { clock, idleMs }: RelayOptions,
  lastByte: () => number,
  run: () => void,
): Disposable {
  if (idleMs === Infinity) return { [Symbol.dispose]: () => {} };
  let timer: Disposable;
  const look = () => {
    const left = lastByte() + idleMs - clock.now();
    if (left > 0) timer = clock.after(left, look);
    else run();
  };
  timer = clock.after(idleMs, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
