import type { Libc } from "../../../ffi/linux/libc.ts";
import { cannotWrite, isAlreadyThere, openJournalFile, prepareFolder } from "./journal_folder.ts";
import { ownerLine, stepLine, undoneLine } from "./journal_text.ts";
import { ownIdentity } from "./process_identity.ts";
import { undoStep } from "./undo.ts";
import { isOneCall, type UndoStep } from "./undo_step.ts";

/** A change that the journal knows of. */
export interface Change {
  readonly step: UndoStep;
  /** The change has been undone. */
  forget(): void;
}

/**
 * Writes down what this process changes on the machine, each change before it is made: one that is
 * killed leaves its file to the next ttun (repair.ts). A call of write(2) is enough for that, since
 * the file is of the running system alone. Dispose closes the file, and removes it when all has been
 * undone.
 */
export class Journal implements Disposable {
  readonly #libc: Libc;
  readonly #folder: string;
  readonly #part: string;
  #file: { readonly handle: Deno.FsFile; readonly path: string } | null = null;
  #last = 0;
  #open = 0;

  /** `part` tells the files of one process apart. Nothing is written before the first change. */
  constructor(libc: Libc, folder: string, part: string) {
    this.#libc = libc;
    this.#folder = folder;
    this.#part = part;
  }

  /**
   * Makes the change. What one that throws has made of it is undone; where that fails, the next ttun
   * sees to it.
   * @throws what `change` throws; {TtunError} privilege, or the system's error for the file
   */
  make(step: UndoStep, change: () => void, o: { outlives: boolean } = { outlives: false }): Change {
    const number = ++this.#last;
    this.#write(stepLine({ number, step, ...o }));
    this.#open++;
    let isOpen = true;
    const forget = () => {
      if (!isOpen) return;
      isOpen = false;
      this.#open--;
      this.#write(undoneLine(number));
    };
    try {
      change();
    } catch (error) {
      if (this.#isUndone(step)) forget();
      throw error;
    }
    return { step, forget };
  }

  /** Undoes a change that has failed half way. Returns false if that fails too. */
  #isUndone(step: UndoStep): boolean {
    if (isOneCall(step)) return true;
    try {
      undoStep(step, this.#libc);
      return true;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return false;
    }
  }

  #write(line: string): void {
    this.#file ??= this.#create();
    const bytes = new TextEncoder().encode(line);
    for (let at = 0; at < bytes.length;) at += this.#file.handle.writeSync(bytes.subarray(at));
  }

  #create(): { handle: Deno.FsFile; path: string } {
    prepareFolder(this.#folder);
    const owner = ownIdentity(this.#libc);
    for (let count = 0;; count++) {
      const path = `${this.#folder}/${owner.pid}-${this.#part}-${owner.start}-${count}.changes`;
      try {
        const handle = openJournalFile(path);
        handle.writeSync(new TextEncoder().encode(ownerLine(owner)));
        return { handle, path };
      } catch (error) {
        if (!isAlreadyThere(error)) throw cannotWrite(path, error);
      }
    }
  }

  [Symbol.dispose](): void {
    if (this.#file === null) return;
    const { handle, path } = this.#file;
    this.#file = null;
    if (this.#open === 0) {
      handle.truncateSync(0); // in case that this user may not remove it
      try {
        Deno.removeSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      }
    }
    handle.close();
  }
}
