import { TtunError } from "../../base/errors.ts";
import type { CommandLine, RunCommand } from "../netcfg/command_steps.ts";

/** Returns what the program has printed, without its warnings. @throws {TtunError} system, with its words */
export function ask(run: RunCommand, command: CommandLine): string {
  const { code, output, stdout = output } = run(command);
  if (code === 0) return stdout;
  const said = output.trim().replaceAll(/\s+/g, " ");
  const why = said === "" ? `it ended with status ${code}` : said;
  throw new TtunError(
    "system",
    `Cannot use the desktop's proxy setting: ${command[0]} says: ${why}`,
  );
}
