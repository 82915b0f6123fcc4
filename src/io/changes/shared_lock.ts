import { Errno } from "../../../ffi/linux/errno.ts";
import { fileId, openFile } from "../../../ffi/linux/file.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { check } from "../../../ffi/native.ts";
import { prepareFolder } from "./journal_folder.ts";

/** Constants of fcntl.h, alike on x86-64 and arm64, and of sys/file.h. */
const O_WRONLY = 1;
const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Counts the processes that need what several of them share: the kernel forgets those that were
 * killed, and a user who may not read the journals of others can still ask. Dispose lets go. By
 * flock(2) itself: not every Deno that ttun is built with can try a lock.
 */
export class SharedLock implements Disposable {
  readonly #path: string;
  readonly #libc: Libc;
  #fd: number | null;

  /** Waits while the last one that had it is about to let go. @throws the system's refusal */
  constructor(folder: string, name: string, libc: Libc) {
    this.#path = `${folder}/${name}.lock`;
    this.#libc = libc;
    prepareFolder(folder);
    for (;;) {
      const fd = lockShared(this.#path, libc);
      if (fd !== null) {
        this.#fd = fd;
        return;
      }
    }
  }

  /** Returns true if no other process has it. Nobody gets it then until dispose. */
  isLast(): boolean {
    if (this.#fd === null || this.#libc.flock(this.#fd, LOCK_EX | LOCK_NB) < 0) return false;
    try {
      Deno.removeSync(this.#path);
    } catch (error) {
      // An empty file stays behind where this user may not remove it.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    }
    return true;
  }

  [Symbol.dispose](): void {
    if (this.#fd === null) return;
    this.#libc.close(this.#fd);
    this.#fd = null;
  }
}

/** Returns the descriptor; null if another process has removed the file meanwhile. */
function lockShared(path: string, libc: Libc): number | null {
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
  const fd = libc.open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd === -Errno.ENOENT) return null;
  check("open", fd);
  using opened = new DisposableStack();
  opened.defer(() => void libc.close(fd));
  let result = -Errno.EINTR;
  while (result === -Errno.EINTR) result = libc.flock(fd, LOCK_SH);
  check("flock", result);
  const id = openFile(libc, fd)?.id;
  // Without statx, which tells files apart, the name is taken for the same file.
  if (id !== undefined && id !== fileId(libc, path)) return null;
  opened.move();
  return fd;
}
