import { dirname } from "node:path";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { Secrets } from "../background/handover.ts";
import { programArgv } from "../background/own_argv.ts";
import { reap, startProgram } from "../background/parent.ts";
import { type RunContext, Stopped } from "../command/context.ts";
import type { FileCommands } from "../config/entries.ts";
import { configName } from "../config/names.ts";
import { findLeftovers, type Leftover, repair } from "../../io/changes/repair.ts";
import { printPlain } from "../output/log_writer.ts";
import { print } from "../output/stdout.ts";
import { requirePermissions } from "../platform/permissions.ts";
import { readVariable } from "../platform/variables.ts";
import { authSecretOf } from "../proxy/auth.ts";
import { allFolders } from "../status/folders.ts";
import { keySecrets } from "../secrets/key_source.ts";
import { oneLine } from "../secrets/text_bytes.ts";
import type { RunFlags, UpFlags } from "./options.ts";
import { type Plan, type PlannedRun, planOf } from "./plan.ts";
import { startOf } from "../../io/changes/process_identity.ts";
import { endAll, hangUp, isThere, SIGTERM } from "./processes.ts";
import { StateFile, type UpProcess } from "./state.ts";

/** Milliseconds between two looks at the processes of --foreground. */
const LOOK_MS = 200;

/**
 * Starts all that a file asks for, in its order, each when the one before is ready. Returns the exit
 * code: 0, or that of the first one that has failed, when those before it are ended again.
 * @throws {TtunError} usage, in_use, system, privilege
 */
export async function runUp(
  { name: text, foreground }: UpFlags,
  { signal }: RunContext,
  commands: FileCommands,
): Promise<number> {
  using libc = openNative();
  const plan = planOf(text, commands);
  using state = new StateFile(plan.name);
  refuseTwice(libc, plan.name, state);
  const started: UpProcess[] = [];
  const keep = () => state.write({ config: plan.config, processes: started });
  const takeBack = async () => {
    await endAll(libc, started);
    state.remove();
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
  return await watch(libc, plan.name, started, signal);
}

/** Tells the process from a later one of its number. @throws {TtunError} system */
function beginOf(libc: Libc, pid: number): string {
  const start = startOf(libc, pid);
  if (start !== null) return start;
  libc.kill(pid, SIGTERM);
  throw new TtunError(
    "system",
    `Cannot keep track of process ${pid}: it has ended, or /proc does not show it (hidepid)`,
  );
}

function refuseTwice(libc: Libc, name: string, state: StateFile): void {
  const earlier = state.read();
  if (earlier === null || !earlier.processes.some((one) => isThere(libc, one))) return;
  throw new TtunError(
    "in_use",
    `${name} is up already, from ${earlier.config}; ttun down ${name} ends it, and ttun reload ` +
      `${name} has it read its files again`,
  );
}

async function startRun(
  libc: Libc,
  { config }: Plan,
  { entry, args, log }: PlannedRun,
  { foreground, signal }: { foreground: boolean; signal: AbortSignal },
) {
  if (!foreground && log !== null) makeLogFolder(dirname(log));
  const logged = foreground ? withoutLogFile(args) : args;
  const line = [
    ...entry.command.split(" "),
    "--config",
    config,
    "--config-entry",
    String(entry.number),
    "--daemon",
    ...logged,
  ];
  const argv = [...programArgv(libc), ...line.map((word) => utf8(word))];
  return await startProgram(libc, {
    argv,
    secrets: secretsFor(entry.command),
    keepsOutput: foreground,
  }, signal);
}

function withoutLogFile(args: readonly string[]): readonly string[] {
  const at = args.indexOf("--log-file");
  return at < 0 ? args : args.toSpliced(at, 2);
}

/** Hands over those of the environment, which processes do not inherit. */
function secretsFor(command: string): Secrets {
  const key = readVariable("TTUN_KEY_FILE") === undefined ? readVariable("TTUN_KEY") : undefined;
  const auth = command === "proxy client" ? readVariable("TTUN_PROXY_AUTH") : undefined;
  return {
    ...(key !== undefined && keySecrets({ key: oneLine(utf8(key)), source: "TTUN_KEY" })),
    ...(auth !== undefined && authSecretOf(utf8(auth))),
  };
}

function makeLogFolder(folder: string): void {
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o755 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("privilege", `Cannot make the folder ${folder} for logs: ${why}`, {
      cause: error,
    });
  }
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
  started: readonly UpProcess[],
  signal: AbortSignal,
): Promise<number> {
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
  using state = new StateFile(name);
  state.remove();
  return signal.reason instanceof Stopped ? signal.reason.exitCode : code ?? 0;
}

/** Ends exactly what `ttun up` has started, and takes away what is left of what was killed. @throws {TtunError} unreachable, if nothing is up */
export async function runDown({ name: text }: RunFlags, _context: RunContext): Promise<number> {
  using libc = openNative();
  const name = configName(text);
  using state = new StateFile(name);
  const recorded = state.read()?.processes ?? [];
  const running = recorded.filter((one) => isThere(libc, one));
  await endAll(libc, running);
  const hasRepaired = repairAfter(libc, recorded);
  state.remove();
  if (running.length > 0 || hasRepaired) return 0;
  throw new TtunError("unreachable", `${name} is not up`);
}

/**
 * Takes away what processes have left that were killed, a kill switch too. Returns true if there was
 * any of it.
 * @throws {TtunError} system
 */
function repairAfter(libc: Libc, processes: readonly UpProcess[]): boolean {
  const pids = processes.map(({ pid }) => pid);
  const left = leftoversHere(libc).filter(({ pid }) => pids.includes(pid));
  const done = repair(left, libc, { keepsOutliving: false });
  for (const { pid, what, failure } of done) {
    if (failure === undefined) printPlain(`ttun: took away ${what}, of process ${pid}`);
  }
  const failed = done.find(({ failure }) => failure !== undefined);
  if (failed === undefined) return done.length > 0;
  throw new TtunError("system", `Cannot take away ${failed.what}: ${failed.failure}`);
}

function leftoversHere(libc: Libc): Leftover[] {
  try {
    return allFolders().flatMap((folder) => findLeftovers(libc, folder));
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return []; // others' are none of these
    throw error;
  }
}

/** Has what is up read its files again. @throws {TtunError} unreachable, if nothing is up */
export function runReload({ name: text }: RunFlags): number {
  using libc = openNative();
  const name = configName(text);
  using state = new StateFile(name);
  const processes = (state.read()?.processes ?? []).filter((one) => isThere(libc, one));
  if (processes.length === 0) {
    state.remove();
    throw new TtunError("unreachable", `${name} is not up; ttun up ${name} starts it`);
  }
  hangUp(libc, processes);
  return 0;
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
