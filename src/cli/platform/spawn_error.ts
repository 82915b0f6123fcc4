import { TtunError } from "../../base/errors.ts";

/** Errno numbers of Linux and macOS that a failing start of a program has. */
const REASONS: Readonly<Record<number, string>> = {
  1: "the system does not allow it to start",
  7: "the command and its environment are longer than the system takes",
  8: "it is no program of this system",
  11: "no more processes may be started; raise the limit (ulimit -u, or TasksMax= of the unit)",
  12: "out of memory",
  13: "it may not be run by this user",
  20: "a part of its path is no directory",
  23: "the system is out of descriptors",
  24: "out of descriptors; raise the limit (ulimit -n)",
  26: "its file is being written",
  35: "no more processes may be started; raise the limit (ulimit -u)", // EAGAIN of macOS
  40: "its path is a loop of links",
};

/**
 * Why `program` did not start, from what Deno.Command threw: `Cannot DOING: REASON`.
 * `isThere` tells whether the program's file is there, where that can be asked.
 */
export function spawnError(
  thrown: unknown,
  { doing, program, isThere }: { doing: string; program: string; isThere: () => boolean | null },
): TtunError {
  return new TtunError("hook", `Cannot ${doing}: ${reason(thrown, program, isThere)}`, {
    cause: thrown,
  });
}

function reason(thrown: unknown, program: string, isThere: () => boolean | null): string {
  if (thrown instanceof Deno.errors.NotCapable) {
    return `Deno was started without --allow-run=${program}`;
  }
  const words = thrown instanceof Error ? thrown.message : String(thrown);
  // A nul byte cannot stand in an argument or a variable.
  if (thrown instanceof TypeError || /nul byte/i.test(words)) {
    return `it cannot be given to ${program}: ${words}`;
  }
  if (thrown instanceof Deno.errors.NotFound || /\(os error 2\)/.test(words)) {
    return isThere() === true
      ? "the current directory is gone, or what the shell needs to run (its loader) is"
      : `there is no shell (${program})`;
  }
  const number = Number(/\(os error (\d+)\)/.exec(words)?.[1] ?? NaN);
  const known = REASONS[number];
  if (known !== undefined) return `${program}: ${known}`;
  if (thrown instanceof Deno.errors.PermissionDenied) return `${program}: ${REASONS[13]}`;
  return words;
}
