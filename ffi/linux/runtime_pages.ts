import { check } from "../native.ts";
import { readFile } from "./file.ts";
import type { ControlLibc } from "./libc.ts";

const MADV_DONTNEED = 4;

/** Bytes: lists have some thousand lines. */
const LONGEST_MAPS = 4 << 20;

interface Mapping {
  readonly start: bigint;
  readonly bytes: bigint;
  readonly path: string;
  readonly isCode: boolean;
}

/**
 * Gives back the runtime's code and constants that only the start has used: 20 to 30 MB. They are
 * pages of its file, and the kernel maps what is used again, mostly from its cache.
 * Does nothing without /proc.
 * @throws {NativeError}
 */
export function releaseRuntimePages(libc: ControlLibc): void {
  const maps = readFile(libc, "/proc/self/maps", LONGEST_MAPS) ?? new Uint8Array();
  for (const { start, bytes } of runtimeMappings(new TextDecoder().decode(maps))) {
    check("madvise", libc.madvise(start, bytes, MADV_DONTNEED));
  }
}

/**
 * Returns what of `maps` (proc_pid_maps(5)) is code or constants of the longest program in it.
 * Others of its mappings may hold pages that the loader has written to, which would be lost.
 */
export function runtimeMappings(maps: string): Pick<Mapping, "start" | "bytes">[] {
  const mappings = maps.split("\n").map(parseMapping).filter((mapping) => mapping !== null);
  const longest = mappings.filter(({ isCode }) => isCode)
    .reduce<Mapping | null>((a, b) => a !== null && a.bytes >= b.bytes ? a : b, null);
  return mappings.filter(({ path }) => path === longest?.path)
    .map(({ start, bytes }) => ({ start, bytes }));
}

/** Constants stand at the beginning of a file, before its code; what is relocated stands behind. */
const UNWRITTEN = /^([0-9a-f]+)-([0-9a-f]+) (?:(r-xp) [0-9a-f]+|r--p 0+) \S+ \d+ +(\/.*)$/;

function parseMapping(line: string): Mapping | null {
  const [, from, to, code, path] = UNWRITTEN.exec(line) ?? [];
  if (from === undefined || to === undefined || path === undefined) return null;
  const start = BigInt(`0x${from}`);
  return { start, bytes: BigInt(`0x${to}`) - start, path, isCode: code !== undefined };
}
