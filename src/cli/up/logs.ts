import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import type { RunContext } from "../command/context.ts";
import type { FileCommands } from "../config/entries.ts";
import { print } from "../output/stdout.ts";
import type { LogsFlags } from "./options.ts";
import { planOf } from "./plan.ts";

/** Bytes at the end of a log in which its last lines are looked for. */
const MOST_TAIL = 16 * 1024 * 1024;

/** Milliseconds between two looks. */
const LOOK_MS = 300;

/** A log as far as it was printed. */
interface Read {
  readonly path: string;
  /** Inode number; another one has the name when the log has been moved away. */
  readonly ino: number | null;
  readonly size: number;
}

/** Prints the ends of the logs of a configuration. @throws {TtunError} usage */
export async function runLogs(
  { name, lines, follow }: LogsFlags,
  { signal }: RunContext,
  commands: FileCommands,
): Promise<number> {
  const paths = planOf(name, commands).runs.flatMap(({ log }) => log ?? []);
  const all: Read[] = [];
  for (const path of new Set(paths)) {
    const { text, ...read } = readEnd(path);
    all.push(read);
    await print(headed(path, lastLines(text, lines), paths.length > 1), signal);
  }
  if (!follow && all.every(({ ino }) => ino === null)) {
    throw new TtunError("usage", `There is no log of ${name} yet: looked for ${paths.join(", ")}`);
  }
  while (follow) {
    await sleep(signal);
    for (const [i, read] of all.entries()) {
      const { text, ...next } = readOn(read);
      all[i] = next;
      await print(headed(read.path, text, paths.length > 1), signal);
    }
  }
  return 0;
}

function headed(path: string, text: string, isOneOfMany: boolean): string {
  return isOneOfMany && text !== "" ? `==> ${path} <==\n${text}` : text;
}

function readEnd(path: string): Read & { text: string } {
  return readOn({ path, ino: null, size: 0 });
}

/** Reads what was added; all of a file that has the name newly, or was emptied. */
function readOn({ path, ino, size }: Read): Read & { text: string } {
  try {
    using file = Deno.openSync(path);
    const info = file.statSync();
    const isSame = info.ino === ino && info.size >= size;
    const from = Math.max(isSame ? size : 0, info.size - MOST_TAIL);
    file.seekSync(from, Deno.SeekMode.Start);
    const bytes = new Uint8Array(info.size - from);
    let have = 0;
    while (have < bytes.length) {
      const got = file.readSync(bytes.subarray(have));
      if (got === null) break;
      have += got;
    }
    // A line that is not whole yet is read the next time.
    const whole = bytes.subarray(0, have).lastIndexOf(0x0a) + 1;
    const text = new TextDecoder().decode(bytes.subarray(0, whole));
    return { path, ino: info.ino, size: from + whole, text };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { path, ino: null, size: 0, text: "" };
    const why = error instanceof Error ? error.message : String(error);
    throw new TtunError("privilege", `Cannot read the log ${path}: ${why}`, { cause: error });
  }
}

/** Returns the last lines of a text that ends with a line. */
export function lastLines(text: string, count: number): string {
  if (count === 0) return "";
  const lines = text.split("\n");
  return lines.slice(-count - 1).join("\n");
}

/** @throws the signal's reason */
async function sleep(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LOOK_MS);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
