/** Resources that an end uses: its process and all that descend from it, as sshd's do. */
import type { Process } from "../../process.ts";
import * as proc from "../../proc.ts";
import type { Pair } from "./contender.ts";

/** CPU seconds of both ends together so far. */
export function cpuSeconds({ client, server }: Pair): number {
  return sumOf(client, proc.cpuSeconds) + sumOf(server, proc.cpuSeconds);
}

/** CPU seconds to the microsecond. */
export function runSeconds({ client, server }: Pair): number {
  return sumOf(client, proc.runSeconds) + sumOf(server, proc.runSeconds);
}

/** Memory of an end (RSS) in MB; NaN where there is none. */
export function rssMb(end: Process | null): number {
  return end === null ? NaN : sumOf(end, proc.rssMb);
}

function sumOf(end: Process | null, figure: (pid: number) => number): number {
  return end === null ? 0 : familyOf(end.pid).reduce((sum, pid) => sum + figure(pid), 0);
}

/** Returns a process and those that descend from it. */
export function familyOf(pid: number): number[] {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim();
  if (children === "") return [pid];
  const living = children.split(" ").map(Number).filter(isAlive);
  return [pid, ...living.flatMap(familyOf)];
}

/** sshd has helpers while a session begins: one that has ended is there until it is asked for. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
