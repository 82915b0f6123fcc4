import { TtunError } from "../../base/errors.ts";
import { holdListener, onAbort, type Scope, scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { ProxyLimits } from "./connection_limits.ts";
import { type RelayCount, Relays } from "./relay.ts";
import { ScratchBuffers } from "./scratch.ts";

export interface RelayScopeOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly limits: Pick<ProxyLimits, "idleMs" | "halfClosedMs">;
  /** Bytes that a relay carries at once. */
  readonly chunk: number;
  /** Called once with the bytes of all connections, a count that goes on. */
  readonly onTraffic?: ((total: Readonly<RelayCount>) => void) | undefined;
}

export interface RelayScope {
  readonly tasks: Scope;
  readonly relays: Relays;
  /** Disposed of when all tasks have ended. */
  readonly stack: DisposableStack;
  /** Ends it without an error, as the signal's abort would. */
  readonly end: () => void;
  /** Has `run`, which never rejects, tell peers of the end; connections close when it settles. */
  readonly beforeEnd: (run: () => Promise<void>) => void;
}

/**
 * Runs `body` and all that it spawns. The signal's abort has peers told of the end, resets relayed
 * connections, so that a truncated transfer does not look complete, and then closes all.
 */
export async function relayScope(
  o: RelayScopeOptions,
  body: (s: RelayScope) => void,
): Promise<void> {
  using stack = new DisposableStack();
  const cut = new AbortController();
  const ending = new AbortController();
  const farewells: (() => Promise<void>)[] = [];
  const close = (reason: unknown) => {
    cut.abort(reason);
    ending.abort(reason);
  };
  using _registration = onAbort(o.signal, (reason) => {
    if (farewells.length === 0) close(reason);
    else void Promise.all(farewells.map((say) => say())).then(() => close(reason)); // never rejects
  });
  using _hold = holdListener(cut.signal);
  const scratch = new ScratchBuffers(o.chunk);
  const running = scope(ending.signal, (tasks) => {
    const relays = stack.use(
      new Relays({ clock: o.clock, ...o.limits, scratch, cut: cut.signal }),
    );
    o.onTraffic?.(relays.total);
    const end = () => {
      const reason = new TtunError("lost", "Cannot go on: all forwards and connections have ended");
      cut.abort(reason);
      tasks.cancel(reason);
    };
    body({ tasks, relays, stack, end, beforeEnd: (run) => void farewells.push(run) });
  });
  // A failure while peers are told of the end is a consequence of it.
  await running.finally(() => o.signal.throwIfAborted());
}
