import type { FileCalls } from "../../../ffi/linux/file_calls.ts";
import { NativeError } from "../../../ffi/native.ts";
import { fileError } from "./file_error.ts";

/** Reads what there is to the front of `into`; fewer bytes only at the file's end. */
export function readAt(
  calls: FileCalls,
  fd: number,
  at: number,
  into: Uint8Array,
  doing: string,
): number {
  let done = 0;
  while (done < into.length) {
    const got = calls.pread(fd, done === 0 ? into : into.subarray(done), at + done);
    if (got < 0) throw fileError(new NativeError("pread", -got), doing);
    if (got === 0) break;
    done += got;
  }
  return done;
}
