import { TtunError } from "../src/base/errors.ts";

/** The C library of Linux by the names that the loader knows: glibc's, then musl's. */
export const LINUX_LIBC = [
  "libc.so.6",
  "libc.so",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
] as const;

/** The C library of macOS. */
export const DARWIN_LIBC = ["/usr/lib/libSystem.B.dylib"] as const;

/** A dynamic library and its symbols. Dispose closes it: no symbol may be called after. */
export interface Library<S extends Deno.ForeignLibraryInterface> extends Disposable {
  readonly path: string;
  readonly symbols: Deno.StaticForeignLibraryInterface<S>;
}

/**
 * Opens the first of `names` that is there with all symbols. Opened on call, never on import.
 * @throws {TtunError} `system` when none can be opened, with every loader's reason as the cause.
 */
export function openLibrary<S extends Deno.ForeignLibraryInterface>(
  names: readonly string[],
  table: S,
): Library<S> {
  const reasons: string[] = [];
  for (const path of names) {
    try {
      const library = Deno.dlopen(path, table);
      return { path, symbols: library.symbols, [Symbol.dispose]: () => library.close() };
    } catch (error) {
      reasons.push(`${path}: ${error instanceof Error ? error.message : error}`);
    }
  }
  throw new TtunError(
    "system",
    `Cannot open a native library: none of ${names.join(", ")} can be loaded`,
    {
      cause: new Error(reasons.join("\n")),
    },
  );
}
