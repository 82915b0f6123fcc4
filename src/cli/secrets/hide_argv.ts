import { utf8 } from "../../base/bytes.ts";
import type { SecretSpot } from "../command/args.ts";
import { isGranted } from "../platform/permissions.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import { check } from "../../../ffi/native.ts";

const MASK = 0x78; // "x"
const O_CLOEXEC = 0x80000;

/**
 * Hides secrets from `ps` and /proc/PID/cmdline: with native calls on Linux by overwriting,
 * otherwise by `name` and the other arguments as the title. `args` are like `Deno.args`. Copies
 * elsewhere (a shell's history, an outer `sudo`) remain. Returns true if they are hidden; never
 * throws.
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
    // Hiding is best effort and fails in many ways; the caller warns by the result.
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

/** Returns false and changes nothing if `area` does not end with `args`, NUL-terminated. */
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

/** Returns views, through which `area` can be written. */
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

/** Returns the memory shown as /proc/self/cmdline. */
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

/** Deno allows reading /proc only with all permissions, whatever a query returns. */
function readByDeno(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return "";
    throw error;
  }
}

/** Reads the beginning, which holds all of /proc/PID/stat. @throws {NativeError} */
export function readByLibc(path: string): string {
  using libc = openControlLibc();
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
 * Returns fields 48 and 49 (proc_pid_stat(5)), which are 0 if the kernel hides them. Field 2, in
 * parentheses, may itself contain spaces and parentheses.
 */
export function argvRange(stat: string): { start: bigint; end: bigint } | undefined {
  const fromField3 = stat.slice(stat.lastIndexOf(")") + 2).trim().split(" ");
  const [start, end] = [fromField3[48 - 3], fromField3[49 - 3]].map((field) =>
    /^\d+$/.test(field ?? "") ? BigInt(field!) : 0n
  );
  return start! > 0n && end! > start! ? { start: start!, end: end! } : undefined;
}

/** Keeps other arguments for searches. Only on Linux a title replaces all; Windows shows both. */
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
  const { process } = globalThis; // node:process takes 5 ms to load, and most need no title
  process.title = title;
  // Older runtimes, for which ttun may be compiled, accept a title and ignore it.
  return Deno.build.os === "linux" && process.title === title;
}
