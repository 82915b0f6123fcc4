import { Errno } from "../../../ffi/linux/errno.ts";
import { TtunError } from "../../base/errors.ts";
import { systemError } from "../../io/deno_errors.ts";

const PROCESS_LIMIT = Deno.build.os === "linux"
  ? "ulimit -u, or TasksMax= of the unit"
  : "ulimit -u";

const REASONS: Readonly<Record<number, string>> = {
  [Errno.EPERM]: "the system does not allow it to start",
  [Errno.E2BIG]: "the command and its environment are longer than the system takes",
  [Errno.ENOEXEC]: "it is no program of this system",
  [Errno.EAGAIN]: `no more processes may be started; raise the limit (${PROCESS_LIMIT})`,
  [Errno.ENOMEM]: "out of memory",
  [Errno.EACCES]: "it may not be run by this user",
  [Errno.ENOTDIR]: "a part of its path is no directory",
  [Errno.ENFILE]: "the system is out of descriptors",
  [Errno.EMFILE]: "out of descriptors; raise the limit (ulimit -n)",
  [Errno.ETXTBSY]: "its file is being written",
  [Errno.ELOOP]: "its path is a loop of links",
};

/** Returns `Cannot DOING: REASON`. `isThere`: if the program's file is; null = cannot be asked. */
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
  // Arguments and variables cannot contain a NUL byte.
  if (thrown instanceof TypeError) return `it cannot be given to ${program}: ${words}`;
  const error = systemError(thrown, "spawn");
  if (thrown instanceof Deno.errors.NotFound || error?.is("ENOENT") === true) {
    return isThere() === true
      ? "the current directory is gone, or what the shell needs to run (its loader) is"
      : `there is no shell (${program})`;
  }
  const isDenied = thrown instanceof Deno.errors.PermissionDenied;
  const known = REASONS[error?.errno ?? (isDenied ? Errno.EACCES : NaN)];
  return known === undefined ? words : `${program}: ${known}`;
}
