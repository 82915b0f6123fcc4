import { TtunError } from "../../base/errors.ts";
import { utf8 } from "../../base/bytes.ts";
import { lookAt } from "../../io/files/present.ts";
import { type FileLock, lockFile } from "../platform/file_lock.ts";
import { whyNotOurs } from "../platform/folders.ts";
import { ownFolder } from "../status/folders.ts";

/** A process that `ttun up` has started. */
export interface UpProcess {
  /** All words of the command. */
  readonly command: string;
  readonly pid: number;
  /** When it began, in the kernel's ticks: another process of the number has another one. */
  readonly start: string;
}

export interface UpState {
  /** The file's path. */
  readonly config: string;
  readonly processes: readonly UpProcess[];
}

/** A list of some hundred processes. */
const MOST_BYTES = 256 * 1024;

/**
 * The file that says what `ttun up` has started under a name, open and locked: no other ttun brings
 * that up or down meanwhile.
 */
export class StateFile implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #lock: FileLock | null;
  #isOpen = true;

  /** @throws {TtunError} in_use, usage, privilege */
  constructor(name: string) {
    this.#path = pathOf(name);
    const { file, lock } = openLocked(this.#path, name);
    this.#file = file;
    this.#lock = lock;
  }

  /** Null = nothing was started, or all of it was ended. */
  read(): UpState | null {
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const bytes = new Uint8Array(MOST_BYTES);
    const length = this.#file.readSync(bytes) ?? 0;
    return parseState(new TextDecoder().decode(bytes.subarray(0, length)));
  }

  write(state: UpState): void {
    this.#file.truncateSync(0);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    const bytes = utf8(JSON.stringify(state));
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
  }

  remove(): void {
    Deno.removeSync(this.#path);
  }

  /** Lets others bring it up or down again. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#file.close();
    this.#lock?.[Symbol.dispose]();
  }
}

/** Null for a file that was cut off, as by a full disk. */
function parseState(text: string): UpState | null {
  try {
    const { config, processes } = JSON.parse(text) as UpState;
    return { config, processes };
  } catch {
    return null;
  }
}

function pathOf(name: string): string {
  const folder = ownFolder();
  if (folder !== null) return `${folder}/up/${name}.json`;
  throw new TtunError(
    "usage",
    "There is no place for what is up: set XDG_RUNTIME_DIR or HOME to a folder of this user's",
  );
}

function openLocked(
  path: string,
  name: string,
): { readonly file: Deno.FsFile; readonly lock: FileLock | null } {
  const refuse = (why: string, kind: "usage" | "privilege", cause?: unknown) =>
    new TtunError(kind, `Cannot keep what is up in ${path}: ${why}`, { cause });
  const why = whyNotOurs(path);
  if (why !== null) throw refuse(why, "usage");
  try {
    Deno.mkdirSync(path.replace(/\/[^/]*$/, ""), { recursive: true, mode: 0o700 });
    for (;;) {
      const file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
      const lock = lockFile(path);
      if (lock !== "taken" && isStill(path, file)) return { file, lock };
      file.close(); // it may have been removed between open and lock
      if (lock === "taken") {
        throw new TtunError("in_use", `Another ttun brings ${name} up or down at this moment`);
      }
      lock?.[Symbol.dispose]();
    }
  } catch (error) {
    if (error instanceof TtunError) throw error;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw refuse("the system does not allow it", "privilege", error);
    }
    throw refuse(error instanceof Error ? error.message : String(error), "usage", error);
  }
}

function isStill(path: string, file: Deno.FsFile): boolean {
  return lookAt(path)?.ino === file.statSync().ino;
}
