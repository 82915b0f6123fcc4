import { KeyRing } from "../../app/link/key_ring.ts";
import { StrangerBudget } from "../../app/link/stranger_budget.ts";
import type { NamedKey } from "../../base/named_key.ts";
import { abortable, scope } from "../../base/scope.ts";
import type { Clock } from "../../contract/host.ts";
import type { PlanePort } from "./worker_port.ts";

/**
 * Runs a server. The secrets of several keys are worked out meanwhile, in the main thread;
 * undefined = it has one key, whose secret it knows. `onReplaced` is called with other keys, before
 * clients of those that are gone lose their sessions.
 */
export async function withKeys<Start>(
  keys: readonly NamedKey[] | undefined,
  { platform: { clock }, port, signal }: {
    readonly platform: { readonly clock: Clock };
    readonly port: PlanePort<Start>;
    readonly signal: AbortSignal;
  },
  run: (ring: KeyRing | undefined, signal: AbortSignal) => Promise<void>,
  onReplaced: (keys: readonly NamedKey[]) => void = () => {},
): Promise<void> {
  if (keys === undefined) return await run(undefined, signal);
  const onUsed = ({ password: key }: NamedKey) => port.report({ kind: "keyUsed", key });
  using budget = new StrangerBudget({ clock, preciseNow: () => performance.now() });
  const ring = new KeyRing(keys, { clock, budget, onUsed });
  await scope(signal, (tasks) => {
    const secretOf = ({ password }: NamedKey) => port.linkSecret(password, tasks.signal);
    const work = (signal: AbortSignal) => abortable(ring.run(secretOf), signal);
    tasks.spawn(work);
    port.onKeys((keys) => {
      if (tasks.signal.aborted) return;
      onReplaced(keys);
      ring.replace(keys);
      tasks.spawn(work);
    });
    tasks.spawn((signal) => run(ring, signal));
  });
}
