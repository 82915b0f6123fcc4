import type { Libc } from "../../../ffi/linux/libc.ts";
import { readFile } from "../../../ffi/linux/file.ts";
import { TtunError } from "../../base/errors.ts";

/** The kernel's limit of one argument is 128 KiB, and of all together 2 MiB as a rule. */
const MOST_BYTES = 8 * 1024 * 1024;

/** Returns this process's arguments, its own name first, with secrets hidden where they were. */
export function ownArgv(libc: Libc): Uint8Array[] {
  const area = readFile(libc, "/proc/self/cmdline", MOST_BYTES);
  const argv = area === null ? null : argvOf(area, Deno.args);
  if (argv !== null) return argv;
  throw new TtunError(
    "system",
    "Cannot start ttun anew: /proc does not tell how it was started; give the key by --key-file, " +
      "and leave out -d",
  );
}

/** The arguments that start this program, before those of the user. */
export function programArgv(libc: Libc): Uint8Array[] {
  const argv = ownArgv(libc);
  return argv.slice(0, argv.length - Deno.args.length);
}

/** Returns null if the area does not end with arguments as `args`, of which some may be hidden. */
export function argvOf(area: Uint8Array, args: readonly string[]): Uint8Array[] | null {
  const argv: Uint8Array[] = [];
  for (let at = 0; at < area.length;) {
    const end = area.indexOf(0, at);
    if (end === -1) return null; // longer than what was read, or no longer the arguments
    argv.push(area.subarray(at, end));
    at = end + 1;
  }
  const first = argv.length - args.length;
  const isWhole = first > 0 &&
    (args.length === 0 || new TextDecoder().decode(argv[first]) === args[0]);
  return isWhole ? argv : null;
}
