import type { RunContext } from "../command/context.ts";
import type { Revocable } from "../platform/permissions.ts";
import type { DaemonFlags } from "./options.ts";

/**
 * Permissions that a program keeps: to open its log file anew, to remove its number's file, and to
 * read its configuration and a file of several keys again.
 */
export function neededLater(
  { pid, logFile }: Pick<DaemonFlags, "pid" | "logFile">,
  { reread }: Pick<RunContext, "reread">,
  keyFile?: string,
): Revocable[] {
  return [
    ...(pid === undefined && logFile === undefined ? [] : ["read", "write", "sys"] as const),
    ...(keyFile === undefined ? [] : ["read", "sys"] as const),
    ...(reread === undefined ? [] : ["read", "sys", "env"] as const),
  ];
}
