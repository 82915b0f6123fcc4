import { Errno } from "../../../ffi/linux/errno.ts";
import { type FileCalls, O } from "../../../ffi/linux/file_calls.ts";

/**
 * Opens `path` below an open folder: no part of it may be a link, and none leads out of the folder.
 * Returns a descriptor, which is the caller's, or -errno.
 */
export function openBelow(calls: FileCalls, root: number, path: string, flags: number): number {
  const fd = calls.openBeneath(root, path, flags);
  return fd === -Errno.ENOSYS || fd === -Errno.EPERM ? openStepwise(calls, root, path, flags) : fd;
}

/** For kernels without openat2: each part of the path is opened from the folder before it. */
export function openStepwise(calls: FileCalls, root: number, path: string, flags: number): number {
  const parts = path.split("/");
  const last = parts.pop()!;
  let folder = root;
  try {
    for (const part of parts) {
      if (isOutside(part)) return -Errno.EXDEV;
      const next = calls.openat(folder, part, O.rdonly | O.directory | O.nofollow);
      if (next < 0) return next;
      if (folder !== root) calls.close(folder);
      folder = next;
    }
    if (isOutside(last)) return -Errno.EXDEV;
    return calls.openat(folder, last, flags | O.nofollow);
  } finally {
    if (folder !== root) calls.close(folder);
  }
}

function isOutside(part: string): boolean {
  return part === "" || part === "..";
}
