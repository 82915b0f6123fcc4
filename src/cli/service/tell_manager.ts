import { TtunError } from "../../base/errors.ts";
import { onAbort } from "../../base/scope.ts";
import { requirePermissions } from "../platform/permissions.ts";
import type { CommandLine } from "./managers.ts";

/** Runs programs one after the other. @throws {TtunError} system, with the first one that fails */
export async function runAll(lines: readonly CommandLine[], signal: AbortSignal): Promise<void> {
  for (const line of lines) {
    const code = await runOne(line, signal);
    signal.throwIfAborted();
    if (code === 0) continue;
    throw new TtunError("system", `${line.join(" ")} has failed with ${code}: see what it says`);
  }
}

/** Runs a program with this one's output. Returns its exit code. @throws {TtunError} system, privilege */
export async function runOne(line: CommandLine, signal: AbortSignal): Promise<number> {
  const [command, ...args] = line as [string, ...string[]];
  const permission = { name: "run", command } as const;
  requirePermissions([{ permission, purpose: "tell the service manager" }], "service");
  const child = start(command, args);
  using _stop = onAbort(signal, () => child.kill("SIGTERM"));
  return (await child.status).code;
}

function start(command: string, args: string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new TtunError("system", `Cannot run ${command}: there is no such program here`, {
      cause: error,
    });
  }
}
