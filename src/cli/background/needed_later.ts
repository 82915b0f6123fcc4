import type { Revocable } from "../platform/permissions.ts";
import type { DaemonFlags } from "./options.ts";

/** Permissions that a program keeps: to open its log file anew, and to remove its number's file. */
export function neededLater({ pid, logFile }: Pick<DaemonFlags, "pid" | "logFile">): Revocable[] {
  return pid === undefined && logFile === undefined ? [] : ["read", "write", "sys"];
}
