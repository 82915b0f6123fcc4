import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { TtunError } from "../../base/errors.ts";
import { reap } from "../background/parent.ts";
import { type RunContext, Stopped } from "../command/context.ts";
import type { FileCommands } from "../config/entries.ts";
import { configName, isConfigPath } from "../config/names.ts";
import { printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";
import { requirePermissions } from "../platform/permissions.ts";
import { beginOf, startRun } from "./launch.ts";
import { forget, repairAfter, withLeftovers } from "./leftovers.ts";
import type { RunFlags, UpFlags } from "./options.ts";
import { type Plan, planOf } from "./plan.ts";
import { endAll, hangUp, isThere } from "./processes.ts";
import { StateFile, type UpProcess, type UpState } from "./state.ts";

/** Milliseconds between two looks at the processes of --foreground. */
const LOOK_MS = 200;

/**
 * Starts all that a file asks for, in its order, each when the one before is ready. Returns the exit
 * code: 0, or that of the first one that has failed, when those before it are ended again.
 * @throws {TtunError} usage, in_use, system, privilege
 */
export async function runUp(
  { name: text, foreground }: UpFlags,
  context: RunContext,
  commands: FileCommands,
): Promise<number> {
  const { signal } = context;
  using libc = openNative();
  const plan = planOf(text, commands);
  using state = new StateFile(plan.name);
  const earlier = withLeftovers(libc, refuseTwice(libc, plan.name, state));
  const started: UpProcess[] = [];
  const recorded = () => ({ config: plan.config, processes: [...earlier, ...started] });
  const keep = () => state.write(recorded());
  const takeBack = async () => {
    await endAll(libc, started);
    if (forget(libc, state, recorded())) printPlain(leftLine(plan.name));
  };
  try {
    keep();
    for (const run of plan.runs) {
      const { pid, code } = await startRun(libc, plan, run, { foreground, signal });
      if (code !== 0) {
        await takeBack();
        printPlain(`ttun: ${plan.name} is not up: ${run.entry.command} has ended with ${code}`);
        return code;
      }
      started.push({ command: run.entry.command, pid, start: beginOf(libc, pid) });
      keep();
    }
  } catch (error) {
    await takeBack();
    throw error;
  }
  if (!foreground) {
    await print(summary(plan, started), signal);
    return 0;
  }
  state[Symbol.dispose](); // `ttun down` may end it from now on
  return await watch(libc, plan.name, { ...recorded(), started }, context);
}

/** Returns what an earlier run has left in the record, all of which has ended. @throws {TtunError} in_use */
function refuseTwice(libc: Libc, name: string, state: StateFile): readonly UpProcess[] {
  const earlier = state.read();
  if (earlier === null) return [];
  if (!earlier.processes.some((one) => isThere(libc, one))) return earlier.processes;
  throw new TtunError(
    "in_use",
    `${name} is up already, from ${earlier.config}; ttun down ${name} ends it, and ttun reload ` +
      `${name} has it read its files again`,
  );
}

function leftLine(name: string): string {
  return `ttun: ${name} has left changes on this machine, as a kill switch; ttun down ${name} ` +
    "takes them away";
}

function summary({ name, runs }: Plan, started: readonly UpProcess[]): string {
  const lines = runs.map(({ entry, log }, i) =>
    `${name}: ${entry.command} is up (process ${started[i]!.pid}` +
    `${log === null ? "" : `, log ${log}`})\n`
  );
  return lines.join("");
}

/** Waits until one has ended, or ttun is told to stop, and ends all. Returns the exit code. */
async function watch(
  libc: Libc,
  name: string,
  { started, ...recorded }: UpState & { readonly started: readonly UpProcess[] },
  { signal, onReload }: RunContext,
): Promise<number> {
  using _reload = onReload(() => hangUp(libc, started.filter((one) => isThere(libc, one))));
  let code: number | null = null;
  while (!signal.aborted && code === null) {
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
    for (const { pid, command } of started) {
      code ??= reap(libc, pid);
      if (code === null) continue;
      printPlain(`ttun: ${command} (process ${pid}) has ended with ${code}; ${name} is taken down`);
      break;
    }
  }
  await endAll(libc, started);
  endRecord(libc, name, recorded, { isWanted: signal.aborted });
  return signal.reason instanceof Stopped ? signal.reason.exitCode : code ?? 0;
}

/**
 * Takes away what is left of a run and its record. An end that nobody has asked for leaves a kill
 * switch in place, and its record for `ttun down`. Another run's record stays.
 */
function endRecord(
  libc: Libc,
  name: string,
  recorded: UpState,
  { isWanted }: { isWanted: boolean },
): void {
  using state = openUnlessHeld(name);
  if (state === null) return;
  const now = state.read();
  if (now === null) state.remove();
  if (now === null || !isDeepStrictEqual(now.processes, recorded.processes)) return;
  if (isWanted) repairAfter(libc, recorded.processes);
  if (forget(libc, state, recorded)) printPlain(leftLine(name));
}

/** Returns null if another ttun is about to end the run, or to begin one. */
function openUnlessHeld(name: string): StateFile | null {
  try {
    return new StateFile(name);
  } catch (error) {
    if (error instanceof TtunError && error.kind === "in_use") return null;
    throw error;
  }
}

/**
 * Ends exactly what `ttun up` has started, and takes away what is left of what was killed.
 * @throws {TtunError} usage; unreachable, if nothing is up
 */
export async function runDown({ name: text }: RunFlags, _context: RunContext): Promise<number> {
  using libc = openNative();
  const name = configName(text);
  using state = new StateFile(name);
  const recorded = readFor(text, state)?.processes ?? [];
  const running = recorded.filter((one) => isThere(libc, one));
  await endAll(libc, running);
  const hasRepaired = repairAfter(libc, recorded);
  state.remove();
  if (running.length > 0 || hasRepaired) return 0;
  throw new TtunError("unreachable", `${name} is not up`);
}

/** Has what is up read its files again. @throws {TtunError} usage; unreachable, if nothing is up */
export function runReload({ name: text }: RunFlags): number {
  using libc = openNative();
  const name = configName(text);
  using state = new StateFile(name);
  const processes = (readFor(text, state)?.processes ?? []).filter((one) => isThere(libc, one));
  if (processes.length === 0) {
    state.remove();
    throw new TtunError("unreachable", `${name} is not up; ttun up ${name} starts it`);
  }
  hangUp(libc, processes);
  return 0;
}

/** Reads the record for a name, or for the path it was made of. @throws {TtunError} usage */
function readFor(text: string, state: StateFile): UpState | null {
  const found = state.read();
  if (found === null || !isConfigPath(text) || resolve(text) === found.config) return found;
  throw new TtunError(
    "usage",
    `${configName(text)} is up from ${found.config}, not from ${resolve(text)}: give that path, ` +
      "or the name alone",
  );
}

/** @throws {TtunError} system, privilege */
function openNative(): Libc {
  if (Deno.build.os !== "linux") {
    throw new TtunError("system", "Cannot keep what is up here: ttun up is for Linux only so far");
  }
  const purpose = "start and end processes";
  requirePermissions([
    { permission: { name: "ffi" }, purpose },
    { permission: { name: "read" }, purpose },
    { permission: { name: "write" }, purpose },
  ]);
  const libc = openLibc();
  libc.openRare();
  return libc;
}
