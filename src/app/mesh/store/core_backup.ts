import { toTtunError, TtunError } from "../../../base/errors.ts";
import { scope } from "../../../base/scope.ts";
import type { Clock } from "../../../contract/host.ts";
import { BackupPlan } from "../../../core/mesh/core/backup_plan.ts";
import { exportCore } from "../../../core/mesh/core/core_export.ts";
import { sleep } from "../../loop/sleep.ts";
import type { CoreDriver } from "./core_driver.ts";

/** Nodes that keep a backup. */
export const BACKUP_NODES = 2;

/** Milliseconds from a look at what has changed to the next: backups wait for longer. */
const LOOK_MS = 100;

export interface BackupOptions {
  readonly core: CoreDriver;
  readonly clock: Clock;
  readonly everyMs: number;
  /** Nodes that may keep one, best first: of other hosts than this one's and each other's. */
  readonly nodes: () => readonly string[];
  readonly seal: (bytes: Uint8Array) => Uint8Array;
  /** Resolves once the node has it on its disk. */
  readonly send: (node: string, sealed: Uint8Array, signal: AbortSignal) => Promise<void>;
  /** `kept`: nodes that have this revision now; `failures`: why others have not. */
  readonly done: (
    report: { revision: number; kept: readonly string[]; failures: readonly string[] },
  ) => void;
}

/** Keeps copies of the core's file at other nodes, as its disk is the only one. Runs until `signal`. */
export async function backUpCore(o: BackupOptions, signal: AbortSignal): Promise<void> {
  const plan = new BackupPlan(o.everyMs, o.clock.now());
  let wake = new AbortController();
  await scope(signal, (s) => {
    s.spawn(async (signal) => {
      for (let from = o.core.revision;;) {
        const answer = await o.core.call({ type: "changes", prefix: "", from }, { signal });
        if (answer.type !== "changes" && answer.type !== "reset") {
          throw new TtunError("internal", `The core has answered another question: ${answer.type}`);
        }
        const due = plan.due();
        if (answer.type === "reset") plan.changed("name/", o.clock.now());
        else for (const { key } of answer.changes) plan.changed(key, o.clock.now());
        from = answer.cursor;
        if (plan.due() < due) wake.abort();
        await sleep(o.clock, LOOK_MS, signal);
      }
    });
    s.spawn(async (signal) => {
      for (;;) {
        const ms = plan.due() - o.clock.now();
        if (ms > 0) {
          wake = new AbortController();
          const either = AbortSignal.any([signal, wake.signal]);
          await sleep(o.clock, ms, either).catch(() => {}); // woken: the time is another one
          signal.throwIfAborted();
          continue;
        }
        plan.began(o.clock.now());
        if (!await backUp(o, signal)) plan.failed(o.clock.now());
      }
    });
  });
}

/** Sends one backup. Returns false if too few nodes have taken it. */
async function backUp(o: BackupOptions, signal: AbortSignal): Promise<boolean> {
  const state = o.core.snapshot();
  const sealed = o.seal(exportCore(state));
  const kept: string[] = [];
  const failures: string[] = [];
  for (const node of o.nodes()) {
    if (kept.length === BACKUP_NODES) break;
    try {
      await o.send(node, sealed, signal);
      kept.push(node);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(toTtunError(error).message);
    }
  }
  o.done({ revision: state.revision, kept, failures });
  return kept.length === BACKUP_NODES;
}
