import { Errno } from "../../../ffi/linux/errno.ts";
import { type Libc, openLibc } from "../../../ffi/linux/libc.ts";
import { check } from "../../../ffi/native.ts";
import { isGranted } from "./permissions.ts";

/** Constants of fcntl.h, alike on x86-64 and arm64, and of sys/file.h. */
const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const LOCK_NB = 4;

/** A lock of a file by flock(2), which ends with the process at the latest. */
export class FileLock implements Disposable {
  readonly #libc: Libc;
  #fd: number | null;

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  [Symbol.dispose](): void {
    if (this.#fd === null) return;
    this.#libc.close(this.#fd);
    this.#fd = null;
    this.#libc[Symbol.dispose]();
  }
}

/**
 * Locks an existing file. Returns "taken" if another open file has the lock, and null where there
 * are no locks: on other systems than Linux, without native calls, and on some file systems.
 * @throws {NativeError} if it cannot be opened
 */
export function lockFile(path: string): FileLock | "taken" | null {
  if (Deno.build.os !== "linux" || !isGranted({ name: "ffi" })) return null;
  using opened = new DisposableStack();
  const libc = opened.use(openLibc());
  const fd = check("open", libc.open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  opened.defer(() => void libc.close(fd));
  const result = libc.flock(fd, LOCK_EX | LOCK_NB);
  if (result === -Errno.EAGAIN) return "taken";
  if (result < 0) return null;
  opened.move();
  return new FileLock(libc, fd);
}
