import { mustRun } from "../changes/run_program.ts";
import { type CommandLine, type RunCommand, runCommand } from "./command_steps.ts";

/** Characters of at most 4 bytes: the kernel lets an argument have 128 KiB. */
const MOST_CHARACTERS = 30_000;

/**
 * Runs a program to its end with a text as its standard input. The text goes to a shell in several
 * arguments, of 2 MiB at most in all: Deno cannot write to a program that it waits for. `program`
 * has no characters that a shell changes. `run`: a stand-in for tests.
 * @throws {TtunError} with the words of the program
 */
export function feedProgram(program: CommandLine, text: string, run?: RunCommand): void {
  mustRun(program, () => (run ?? runCommand)(feedingCommand(program, text)));
}

/** Returns the command line of the shell. */
export function feedingCommand(program: CommandLine, text: string): CommandLine {
  // A terminal sends Ctrl-C to all of its foreground, but this one is for ttun.
  const script = `trap '' HUP INT TERM; printf %s "$@" | ${program.join(" ")}`;
  const parts = text.match(new RegExp(`[^]{1,${MOST_CHARACTERS}}`, "gu")) ?? [];
  return ["/bin/sh", "-c", script, "sh", ...parts];
}
