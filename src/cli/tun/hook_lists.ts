import { toHex, utf8 } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import { writeNew } from "../../io/files/new_file.ts";
import { isGranted } from "../platform/permissions.ts";
import { whyNotOurs } from "../platform/folders.ts";
import { rng } from "../platform/rng.ts";
import { readVariable } from "../platform/variables.ts";

/** Most bytes. Linux allows 128 KiB, Windows 32 KiB; all share a quarter of the stack's limit. */
export const LONGEST_VALUE = 16 * 1024;

export type Lists = Readonly<Record<string, readonly string[]>>;

export function needsFile(lists: Lists): boolean {
  return Object.values(lists).some((list) => joined(list).length > LONGEST_VALUE);
}

function joined(list: readonly string[]): string {
  return list.join(" ");
}

export class HookLists implements Disposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #files: string[] = [];
  readonly #remove = () => this.#removeFiles();

  /**
   * Makes a short list the variable's value, separated by blanks; a long one is in a private file
   * named by `VARIABLE_FILE`, one item per line, until disposal.
   * @throws {TtunError} hook, if a file is needed and cannot be written
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
    // The hook opens it by name, perhaps as root.
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
        if (!(error instanceof Deno.errors.NotFound)) throw error; // the hook may have removed it
      }
    }
  }

  [Symbol.dispose](): void {
    removeEventListener("unload", this.#remove);
    this.#removeFiles();
  }
}

function temporaryFolder(): string {
  const names = Deno.build.os === "windows" ? ["TEMP", "TMP"] : ["TMPDIR"];
  for (const variable of names) {
    const folder = readVariable(variable);
    if (folder !== undefined && folder !== "") return folder;
  }
  return Deno.build.os === "windows" ? "C:\\Windows\\Temp" : "/tmp";
}
