import { TtunError } from "../src/base/errors.ts";

/** Names of glibc, then of musl. */
export const LINUX_LIBC = [
  "libc.so.6",
  "libc.so",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
] as const;

export const DARWIN_LIBC = ["/usr/lib/libSystem.B.dylib"] as const;

/** The symbols must not be called after dispose. */
export interface Library<S extends Deno.ForeignLibraryInterface> extends Disposable {
  readonly path: string;
  readonly symbols: Deno.StaticForeignLibraryInterface<S>;
}

/**
 * Opens the first of `names` that loads and has all symbols of `table`.
 * @throws {TtunError} `system`; the cause holds the loader's error for each name
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
