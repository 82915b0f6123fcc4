import process from "node:process";
import { utf8 } from "../../base/bytes.ts";
import type { SecretSpot } from "../command/args.ts";
import { isGranted } from "../platform/permissions.ts";
import { openLibc } from "../../../ffi/linux/libc.ts";
import { check } from "../../../ffi/native.ts";

const MASK = 0x78; // "x"
const O_CLOEXEC = 0x80000;

/**
 * Takes secrets out of this process's arguments, so that `ps` and /proc/PID/cmdline no longer show
 * them. On Linux with native calls allowed the bytes themselves are overwritten; elsewhere the
 * whole line is replaced by `name` and the arguments without them. `args` are the last arguments of
 * the process, as `Deno.args` has them. Copies elsewhere (the shell's history, a `sudo` around)
 * stay.
 *
 * @returns whether they are hidden; never throws
 */
export function hideArgv(
  name: string,
  args: readonly string[],
  spots: readonly SecretSpot[],
): boolean {
  if (spots.length === 0) return true;
  try {
    return overwriteArgv(args, spots, readByDeno) || replaceTitle(name, args, spots) ||
      overwriteArgv(args, spots, readByLibc);
  } catch {
    // Hiding is a courtesy that a system may refuse in many ways; the caller warns by the result.
    return false;
  }
}

function overwriteArgv(
  args: readonly string[],
  spots: readonly SecretSpot[],
  read: (path: string) => string,
): boolean {
  const area = argvArea(read);
  return area !== undefined && maskArgs(area, args, spots);
}

/**
 * Overwrites the secrets in a block of NUL-terminated arguments that ends with `args`.
 * @returns false, and nothing is changed, where the block holds something else.
 */
export function maskArgs(
  area: Uint8Array,
  args: readonly string[],
  spots: readonly SecretSpot[],
): boolean {
  const entries = splitAtNul(area).slice(-args.length);
  const isSame = entries.length === args.length &&
    args.every((arg, i) => isEqual(entries[i]!, utf8(arg)));
  if (!isSame) return false;
  for (const { index, start } of spots) {
    entries[index]!.fill(MASK, utf8(args[index]!.slice(0, start)).length);
  }
  return true;
}

/** Views, so that writing to them writes to `area`. */
function splitAtNul(area: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < area.length;) {
    const nul = area.indexOf(0, at);
    const end = nul === -1 ? area.length : nul;
    entries.push(area.subarray(at, end));
    at = end + 1;
  }
  return entries;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The memory that the kernel shows as /proc/self/cmdline; undefined where it is out of reach. */
function argvArea(read: (path: string) => string): Uint8Array | undefined {
  const path = "/proc/self/stat";
  if (Deno.build.os !== "linux") return undefined;
  if (!isGranted({ name: "ffi" }) || !isGranted({ name: "read", path })) return undefined;
  const range = argvRange(read(path));
  if (range === undefined) return undefined;
  const pointer = Deno.UnsafePointer.create(range.start);
  if (pointer === null) return undefined;
  return new Uint8Array(
    Deno.UnsafePointerView.getArrayBuffer(pointer, Number(range.end - range.start)),
  );
}

/** Deno lets read /proc only where everything is allowed, whatever it answers when asked. */
function readByDeno(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}

/** The first bytes of a file; more than /proc/PID/stat has. @throws {NativeError} */
export function readByLibc(path: string): string {
  using libc = openLibc();
  const fd = check("open", libc.open(path, O_CLOEXEC));
  try {
    const bytes = new Uint8Array(4096);
    const length = check("read", libc.read(fd, bytes));
    return new TextDecoder().decode(bytes.subarray(0, length));
  } finally {
    libc.close(fd);
  }
}

/**
 * Fields 48 and 49 of /proc/PID/stat, arg_start and arg_end (proc_pid_stat(5)), which are 0 where
 * the kernel keeps them secret. The name of the program, field 2, stands in parentheses and may
 * itself hold spaces and parentheses.
 */
export function argvRange(stat: string): { start: bigint; end: bigint } | undefined {
  const fromField3 = stat.slice(stat.lastIndexOf(")") + 2).trim().split(" ");
  const [start, end] = [fromField3[48 - 3], fromField3[49 - 3]].map((field) =>
    /^\d+$/.test(field ?? "") ? BigInt(field!) : 0n
  );
  return start! > 0n && end! > start! ? { start: start!, end: end! } : undefined;
}

/**
 * Keeps the other arguments, for those who look for a process by them. Only on Linux is a title
 * known to take the place of all arguments; Windows shows both.
 */
function replaceTitle(
  name: string,
  args: readonly string[],
  spots: readonly SecretSpot[],
): boolean {
  const shown = args.map((arg, i) => {
    const spot = spots.find(({ index }) => index === i);
    return spot === undefined ? arg : `${arg.slice(0, spot.start)}x`;
  });
  const title = [name, ...shown].join(" ");
  process.title = title;
  // Older runtimes, as a compiled file may have, take a title and do nothing.
  return Deno.build.os === "linux" && process.title === title;
}
