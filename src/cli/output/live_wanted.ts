import { readVariable } from "../platform/variables.ts";
import type { LogSettings } from "./log_writer.ts";

/** True if the log goes to a terminal that a line can be redrawn on. */
export function hasLiveLine(
  { level, format, file, toSystem, goesToBackground, isLive }: LogSettings,
  terminal = { isThere: Deno.stderr.isTerminal(), type: readVariable("TERM") },
): boolean {
  const isForPeople = format === "text" && level !== "warn" && file === undefined;
  if (isLive !== true || !isForPeople || toSystem === true || goesToBackground === true) {
    return false;
  }
  return terminal.isThere && terminal.type !== "dumb";
}
