import { Errno } from "../../../ffi/linux/errno.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { NativeError } from "../../../ffi/native.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted, requirePermissions } from "../platform/permissions.ts";

/**
 * Puts a program in this one's place on Linux, so that the terminal and its signals are the other
 * one's alone; elsewhere runs it and returns its exit code. @throws {TtunError} usage, system
 */
export async function replaceByProgram(name: string, args: readonly string[]): Promise<number> {
  if (Deno.build.os === "linux" && isGranted({ name: "ffi" })) return execute(name, args);
  requirePermissions([{ permission: { name: "run", command: name }, purpose: `run ${name}` }]);
  try {
    const child = new Deno.Command(name, {
      ...{ args: [...args], stdin: "inherit", stdout: "inherit", stderr: "inherit" },
    }).spawn();
    return (await child.status).code;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw missing(name);
    throw error;
  }
}

/** Does not return where it succeeds. */
function execute(name: string, args: readonly string[]): number {
  using libc = openLibc();
  libc.openRare();
  const failed = libc.execvp(name, [name, ...args].map((word) => utf8(word)));
  if (failed === -Errno.ENOENT) throw missing(name);
  throw new TtunError(
    "system",
    `Cannot run ${name}: ${new NativeError("execvp", -failed).message}`,
  );
}

function missing(name: string): TtunError {
  return new TtunError("usage", `Cannot run ${name}: there is no such program in PATH`);
}
