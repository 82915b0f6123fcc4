import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import type { RunContext } from "../command/context.ts";
import { load } from "../plane/load.ts";
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
    readonly secrets: () => Promise<Secrets>;
    readonly run: (context: RunContext) => Promise<number>;
  },
): Promise<number> {
  if (!daemon && !background) return await underManager(context, end.run);
  return await inBackground(context, end.preset, end.secrets, end.run);
}

/** Runs a command here, and tells the service manager that has started it when it is ready and ends. */
async function underManager(
  context: RunContext,
  run: (context: RunContext) => Promise<number>,
): Promise<number> {
  const path = managerPath();
  if (path === null) return await run(context);
  const { connectManager } = await load(() => import("./service_manager.ts"));
  using manager = connectManager(path, context.log);
  if (manager === null) return await run(context);
  using _stopping = onAbort(context.signal, () => manager.tell("STOPPING=1"));
  const ready = () => Promise.resolve(manager.tell("READY=1"));
  return await run({ ...context, background: { secrets: {}, ready } });
}

/** Returns the path of the service manager's socket, which no program that this one starts gets. */
function managerPath(): string | null {
  const name = "NOTIFY_SOCKET";
  const mayKnow = Deno.build.os === "linux" && isGranted({ name: "env", variable: name }) &&
    isGranted({ name: "ffi" });
  const path = mayKnow ? Deno.env.get(name) : undefined;
  if (path === undefined || path === "") return null;
  Deno.env.delete(name);
  return path;
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
