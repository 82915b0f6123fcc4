import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { RunContext } from "../command/context.ts";
import { load } from "../plane/load.ts";
import { readVariable } from "../platform/variables.ts";
import { isGranted, requirePermissions } from "../platform/permissions.ts";
import type { Secrets } from "./handover.ts";

export interface BackgroundFlags {
  readonly daemon: boolean;
  /** `-f` of a client. */
  readonly background?: boolean;
}

/** Runs a command here, or in the background if its options say so. @throws {TtunError} */
export async function runEnd(
  { daemon, background = false }: BackgroundFlags,
  context: RunContext,
  end: {
    readonly preset: string;
    /** Milliseconds after which a service manager counts it as ready in any case; absent = never. */
    readonly readyMs?: number;
    readonly secrets: () => Promise<Secrets>;
    readonly run: (context: RunContext) => Promise<number>;
  },
): Promise<number> {
  if (!daemon && !background) return await underManager(context, end.readyMs ?? null, end.run);
  return await inBackground(context, end.preset, end.secrets, end.run);
}

/**
 * Runs a command here, and tells the service manager that has started it when it is ready, that it is
 * alive, and when it ends.
 */
async function underManager(
  context: RunContext,
  readyMs: number | null,
  run: (context: RunContext) => Promise<number>,
): Promise<number> {
  const given = managerVariables();
  if (given === null) return await run(context);
  const { connectManager } = await load(() => import("./service_manager.ts"));
  using manager = connectManager(given.path, context.log);
  if (manager === null) return await run(context);
  const { readiness, Watchdog, watchdogMs } = await load(() => import("./watchdog.ts"));
  const ms = watchdogMs(given, Deno.pid);
  using watchdog = ms === null ? null : new Watchdog(ms, manager.tell);
  using start = readiness(readyMs, manager.tell);
  using _stopping = onAbort(context.signal, () => manager.tell("STOPPING=1"));
  const ready = () => Promise.resolve(start.ready());
  return await run({
    ...context,
    background: { secrets: {}, ready },
    onGuarded: start.ready,
    ...(watchdog !== null && { onWatchdog: watchdog.ask }),
  });
}

/**
 * Returns the path of the service manager's socket and the time of its watchdog, which no program
 * that this one starts gets; null = no manager wants to hear.
 */
function managerVariables() {
  if (Deno.build.os !== "linux" || !isGranted({ name: "ffi" })) return null;
  const path = take("NOTIFY_SOCKET");
  const [usec, forPid] = [take("WATCHDOG_USEC"), take("WATCHDOG_PID")];
  return path === undefined || path === "" ? null : { path, usec, forPid };
}

function take(name: string): string | undefined {
  const value = readVariable(name);
  if (value !== undefined) Deno.env.delete(name);
  return value;
}

/**
 * Runs a command in a process of its own in the background, which is this program, started anew with
 * the same arguments. The process that the user has started takes what `secrets` reads or asks for,
 * hands it over, and waits until `context.background` is told that the command is ready. Returns
 * the exit code. `preset`: the permission set of deno.json to recommend.
 * @throws {TtunError} system, where there is no way to do it
 */
async function inBackground(
  context: RunContext,
  preset: string,
  secrets: () => Promise<Secrets>,
  run: (context: RunContext) => Promise<number>,
): Promise<number> {
  if (Deno.build.os !== "linux") {
    throw new TtunError(
      "system",
      "Cannot go to the background here: it is for Linux only so far; start ttun with & of the shell",
    );
  }
  const ffi = { permission: { name: "ffi" }, purpose: "go to the background" } as const;
  const read = { permission: { name: "read" }, purpose: "go to the background" } as const;
  requirePermissions([ffi, read], preset);
  const { takeOver } = await load(() => import("./child.ts"));
  using background = takeOver();
  if (background !== null) {
    const ready = async () => {
      await background.ready();
      context.onDetached();
    };
    return await run({ ...context, background: { secrets: background.secrets, ready } });
  }
  const { startInBackground } = await load(() => import("./parent.ts"));
  return await startInBackground(await secrets(), context.signal);
}
