import { ownFolder, unitOf } from "./folders.ts";
import { isStatusName, type StatusFlags } from "./options.ts";

/** Where a program's status socket is, and what it says of itself; it crosses to the Worker. */
export interface StatusPlace {
  readonly folder: string;
  readonly name: string;
  /** The name was given by the user, who waits for the socket then. */
  readonly isNamed: boolean;
  /** The words of the command. */
  readonly command: string;
  readonly pid: number;
}

/** Returns null if there is to be no socket. */
export function statusPlace(
  command: string,
  { statusName, noStatus }: Pick<StatusFlags, "statusName" | "noStatus">,
): StatusPlace | null {
  const folder = noStatus || Deno.build.os !== "linux" ? null : ownFolder();
  if (folder === null) return null;
  return {
    folder,
    name: statusName ?? defaultName(folder, command),
    isNamed: statusName !== undefined,
    command,
    pid: Deno.pid,
  };
}

/** In a unit's folder, which no other program uses, it is the unit's name. */
function defaultName(folder: string, command: string): string {
  const unit = unitOf(folder);
  if (unit !== undefined && isStatusName(unit)) return unit;
  return `${command.replaceAll(" ", "-")}-${Deno.pid}`;
}

export function socketPath(folder: string, name: string): string {
  return `${folder}/${name}${SUFFIX}`;
}

/** The end of a socket's file name. */
export const SUFFIX = ".sock";
