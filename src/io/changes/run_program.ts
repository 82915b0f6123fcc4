import { type CommandLine, runCommand } from "../netcfg/command_steps.ts";
import { TtunError } from "../../base/errors.ts";

/** Runs a program to its end. `run`: a stand-in for tests. @throws {TtunError} with its words */
export function mustRun(command: CommandLine, run = runCommand): void {
  const { code, output } = run(command);
  if (code === 0) return;
  const said = output.trim().replaceAll(/\s+/g, " ");
  const kind = /not permitted|must be root/i.test(output) ? "privilege" : "system";
  throw new TtunError(kind, `${command[0]} says: ${said === "" ? `status ${code}` : said}`);
}

/**
 * Returns false if the program is not there, or does not work in this kernel.
 * @throws {TtunError} privilege, if Deno does not let ttun run it
 */
export function canRun(command: CommandLine): boolean {
  try {
    return runCommand(command).code === 0;
  } catch (error) {
    if (error instanceof TtunError && error.kind === "system") return false;
    throw error;
  }
}
