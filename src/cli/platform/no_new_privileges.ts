import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { check, NativeError } from "../../../ffi/native.ts";
import { utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { ownArgv } from "./own_argv.ts";
import type { SecretSpot } from "../command/args.ts";
import { isGranted } from "./permissions.ts";

/** Constants of linux/prctl.h. */
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;

/**
 * Sees to it that no thread of this process, and no program that it starts, gains a privilege by a
 * set-user-ID or capability bit of a file. The kernel sets that for one thread and those that it
 * starts, and the runtime has started some before: ttun starts itself anew in its place. Returns
 * null if it is so already, or cannot be (without native calls or root, who alone changes its user);
 * else why it failed. `secrets` stand in `args`, the last of the command line's, and were hidden.
 */
export function renounceNewPrivileges(
  args: readonly string[],
  secrets: readonly SecretSpot[],
): string | null {
  if (Deno.build.os !== "linux" || !isGranted({ name: "ffi" })) return null;
  using libc = openLibc();
  if (libc.geteuid() !== 0 || libc.prctl(PR_GET_NO_NEW_PRIVS, 0n) === 1) return null;
  try {
    const argv = wholeArgv(libc, args, secrets);
    check("prctl", libc.prctl(PR_SET_NO_NEW_PRIVS, 1n));
    check("execvp", libc.execvp(Deno.execPath(), argv));
    return null;
  } catch (error) {
    const isForeseen = error instanceof NativeError || error instanceof TtunError ||
      error instanceof Deno.errors.NotCapable; // without --allow-read
    if (isForeseen) return error.message;
    throw error;
  }
}

/** The arguments as they were before secrets were hidden. @throws {TtunError} system */
function wholeArgv(
  libc: Libc,
  args: readonly string[],
  secrets: readonly SecretSpot[],
): Uint8Array[] {
  const argv = ownArgv(libc);
  for (const { index } of secrets) argv[argv.length - args.length + index] = utf8(args[index]!);
  return argv;
}
