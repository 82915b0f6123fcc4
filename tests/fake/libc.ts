import { LINUX_LIBC, openLibrary } from "../../ffi/library.ts";
import { Libc } from "../../ffi/linux/libc.ts";
import { LIBC_TABLE, type LibcSymbols } from "../../ffi/linux/libc_table.ts";

/** Stays open, since a test may leave its fake undisposed. */
const library = openLibrary(LINUX_LIBC, LIBC_TABLE);

/**
 * Returns the machine's libc with some symbols replaced. A replaced call fails by setting
 * `errno[0]` and returning -1.
 */
export function fakeLibc(replaced: (errno: Int32Array) => Partial<LibcSymbols>): Libc {
  const at = library.symbols.__errno_location()!;
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(at, 4));
  return new Libc({
    path: "a fake",
    symbols: { ...library.symbols, ...replaced(errno) },
    [Symbol.dispose]: () => {},
  });
}
