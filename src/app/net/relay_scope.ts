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
  readonly onTraffic?: (total: Readonly<RelayCount>) => void;
}

export interface RelayScope {
  readonly tasks: Scope;
  readonly relays: Relays;
  /** Disposed of when all tasks have ended. */
  readonly stack: DisposableStack;
  /** Ends it without an error, as the signal's abort would. */
  readonly end: () => void;
}

/**
 * Runs `body` and all that it spawns. The signal's abort resets relayed connections before it
 * closes them, so that a truncated transfer does not look complete.
 */
export async function relayScope(
  o: RelayScopeOptions,
  body: (s: RelayScope) => void,
): Promise<void> {
  using stack = new DisposableStack();
  const cut = new AbortController();
  using _registration = onAbort(o.signal, (reason) => cut.abort(reason)); // before the scope's own
  using _hold = holdListener(cut.signal);
  const scratch = new ScratchBuffers(o.chunk);
  await scope(o.signal, (tasks) => {
    const relays = stack.use(
      new Relays({ clock: o.clock, ...o.limits, scratch, cut: cut.signal }),
    );
    o.onTraffic?.(relays.total);
    const end = () => {
      const reason = new TtunError("lost", "Cannot go on: all forwards and connections have ended");
      cut.abort(reason);
      tasks.cancel(reason);
    };
    body({ tasks, relays, stack, end });
  });
}
