import { type ErrorKind, TtunError } from "../../base/errors.ts";
import type { ErrnoName } from "../../../ffi/linux/errno.ts";
import { NativeError } from "../../../ffi/native.ts";

/** Failures that users can do something about. */
const FAILURES: readonly [readonly ErrnoName[], ErrorKind, string][] = [
  [["ENOSPC", "EDQUOT"], "exhausted", "there is no room on the disk"],
  [["EMFILE", "ENFILE", "ENOMEM"], "exhausted", "out of descriptors or memory"],
  [["EACCES", "EPERM"], "privilege", "this user may not"],
  [["EROFS"], "privilege", "the file system is read-only"],
  [["ENOENT"], "usage", "it is not there"],
  [["ENOTDIR"], "usage", "a part of its name is no folder"],
  [["EEXIST"], "usage", "something has its name already"],
  [["EISDIR"], "usage", "a folder has its name"],
  [["ELOOP"], "usage", "a part of its name is a link"],
  [["ENAMETOOLONG"], "usage", "its name is too long for this file system"],
  [["EFBIG"], "usage", "it is too large for this file system"],
  [["EAGAIN"], "in_use", "another process is writing it"],
];

/** Words for a failed call; `doing`: as in `write the file x`. Other errors are returned. */
export function fileError(thrown: unknown, doing: string): unknown {
  if (!(thrown instanceof NativeError)) return thrown;
  const [, kind, why] = FAILURES.find(([names]) => thrown.is(...names)) ??
    [[], "system" as const, thrown.message];
  return new TtunError(kind, `Cannot ${doing}: ${why}`, { cause: thrown });
}
