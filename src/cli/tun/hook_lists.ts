import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted } from "../platform/permissions.ts";
import { whyNotOurs } from "../platform/folders.ts";
import { writeNew } from "../platform/new_file.ts";
import { rng } from "../platform/rng.ts";

/**
 * A longer value goes to a file: Linux takes 128 KiB for one variable, Windows 32 KiB, and all of
 * them together share a quarter of the stack's limit.
 */
export const LONGEST_VALUE = 16 * 1024;

/** Variable → what it lists, as `TTUN_ROUTES` → networks. */
export type Lists = Readonly<Record<string, readonly string[]>>;

/** True when one of these lists is too long for a variable and needs a file. */
export function needsFile(lists: Lists): boolean {
  return Object.values(lists).some((list) => joined(list).length > LONGEST_VALUE);
}

function joined(list: readonly string[]): string {
  return list.join(" ");
}

/** The environment that tells a command its lists, and the files that it names, which go with it. */
export class HookLists implements Disposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #files: string[] = [];
  readonly #remove = () => this.#removeFiles();

  /**
   * A short list is the variable's value, its items apart by blanks. A long one is a file of the
   * name in `VARIABLE_FILE`, one item to a line, that only this user can read.
   * @throws {TtunError} hook, where a file is needed and cannot be had
   */
  constructor(lists: Lists) {
    addEventListener("unload", this.#remove);
    try {
      this.env = Object.fromEntries(
        Object.entries(lists).map(([variable, list]) => {
          const value = joined(list);
          if (value.length <= LONGEST_VALUE) return [variable, value];
          return [`${variable}_FILE`, this.#write(variable, list)];
        }),
      );
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #write(variable: string, list: readonly string[]): string {
    const dir = temporaryFolder();
    const refuse = (why: string, cause?: unknown) =>
      new TtunError(
        "hook",
        `Cannot tell a command its ${list.length} entries of ${variable}: they are too many for ` +
          `the environment, and ${dir} takes no file: ${why}`,
        { cause },
      );
    if (!isGranted({ name: "write", path: dir })) {
      throw refuse(`Deno was started without --allow-write=${dir}`);
    }
    const path = `${dir}/ttun-${toHex(rng(8))}`;
    // The command reads it by its name, as root perhaps.
    const why = whyNotOurs(path);
    if (why !== null) throw refuse(why);
    try {
      writeNew(path, utf8(list.map((item) => `${item}\n`).join("")), { mode: 0o600 });
      this.#files.push(path);
      return path;
    } catch (cause) {
      throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }

  #removeFiles(): void {
    for (const path of this.#files.splice(0)) {
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // the command may have done it
      }
    }
  }

  [Symbol.dispose](): void {
    removeEventListener("unload", this.#remove);
    this.#removeFiles();
  }
}

/** Where temporary files belong, as far as this may be asked. */
function temporaryFolder(): string {
  const names = Deno.build.os === "windows" ? ["TEMP", "TMP"] : ["TMPDIR"];
  for (const variable of names) {
    const folder = isGranted({ name: "env", variable }) ? Deno.env.get(variable) : undefined;
    if (folder !== undefined && folder !== "") return folder;
  }
  return Deno.build.os === "windows" ? "C:\\Windows\\Temp" : "/tmp";
}
