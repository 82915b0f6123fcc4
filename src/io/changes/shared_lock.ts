import { prepareFolder } from "./journal_folder.ts";

/**
 * Counts the processes that need what several of them share: the kernel forgets those that were
 * killed, and a user who may not read the journals of others can still ask. Dispose lets go.
 */
export class SharedLock implements Disposable {
  readonly #path: string;
  readonly #file: Deno.FsFile;

  /** Waits while the last one that had it is about to let go. @throws the system's refusal */
  constructor(folder: string, name: string) {
    this.#path = `${folder}/${name}.lock`;
    prepareFolder(folder);
    for (;;) {
      const file = Deno.openSync(this.#path, { write: true, create: true, mode: 0o600 });
      file.lockSync(false);
      if (isAt(this.#path, file)) {
        this.#file = file;
        return;
      }
      file.close(); // another one has removed it meanwhile
    }
  }

  /** Returns true if no other process has it. Nobody gets it then until dispose. */
  isLast(): boolean {
    if (!this.#file.tryLockSync(true)) return false;
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      // An empty file stays behind where this user may not remove it.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    }
    return true;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function isAt(path: string, file: Deno.FsFile): boolean {
  try {
    return Deno.statSync(path).ino === file.statSync().ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
