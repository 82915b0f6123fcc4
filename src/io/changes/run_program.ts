import { type CommandLine, type Outcome, runCommand } from "../netcfg/command_steps.ts";
import { TtunError } from "../../base/errors.ts";

/** Folders of root's programs, which the PATH of others, and of root after `su`, may be without. */
const ROOTS_FOLDERS = ["/usr/sbin", "/sbin"];

/** Runs a program to its end. `run`: a stand-in for tests. @throws {TtunError} with its words */
export function mustRun(command: CommandLine, run = runCommand): void {
  const { code, output } = run(command);
  if (code === 0) return;
  const said = output.trim().replaceAll(/\s+/g, " ");
  const kind = /not permitted|permission denied|must be root/i.test(output)
    ? "privilege"
    : "system";
  throw new TtunError(kind, `${command[0]} says: ${said === "" ? `status ${code}` : said}`);
}

/**
 * Runs a program that takes something away. Returns false if it says by `absent` that there is no
 * such thing. @throws {TtunError} with its words if it fails for any other reason
 */
export function takeAway(command: CommandLine, absent: RegExp): boolean {
  const outcome = runFound(command);
  if (outcome.code !== 0 && absent.test(outcome.output)) return false;
  mustRun(command, () => outcome);
  return true;
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

/** A change has to go, whatever PATH is by now. @throws {TtunError} if it cannot be started */
function runFound(command: CommandLine): Outcome {
  try {
    return runCommand(command);
  } catch (error) {
    const [program, ...args] = command;
    const isMissing = error instanceof TtunError && error.kind === "system" &&
      !program!.includes("/");
    const outcome = isMissing ? runElsewhere(program!, args) : null;
    if (outcome === null) throw error;
    return outcome;
  }
}

function runElsewhere(program: string, args: readonly string[]): Outcome | null {
  for (const folder of ROOTS_FOLDERS) {
    try {
      return runCommand([`${folder}/${program}`, ...args]);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
    }
  }
  return null;
}
