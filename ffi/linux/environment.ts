import { LINUX_LIBC, openLibrary } from "../library.ts";
import { cString, NativeError } from "../native.ts";
import { Errno } from "./errno.ts";
import { POINTER_SIZE } from "./string_array.ts";

const TABLE = {
  environ: { type: "pointer" },
  unsetenv: { parameters: ["buffer"], result: "i32" },
  setenv: { parameters: ["buffer", "buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Removes all variables from the environment of this process, and so of programs that it starts,
 * but for those whose names `keeps` returns true for; then sets PATH. Needs no Deno permission for
 * the environment. No other thread may use it meanwhile. @throws {NativeError}
 */
export function cleanEnvironment(o: { keeps: (name: string) => boolean; path: string }): void {
  using library = openLibrary(LINUX_LIBC, TABLE);
  const { environ, unsetenv, setenv } = library.symbols;
  for (const name of names(environ)) {
    if (!o.keeps(name) && unsetenv(cString(name)) !== 0) {
      throw new NativeError("unsetenv", Errno.EINVAL);
    }
  }
  if (setenv(cString("PATH"), cString(o.path), 1) !== 0) {
    throw new NativeError("setenv", Errno.ENOMEM);
  }
}

/** `variable`: where the C library keeps the environment. Lists each name once. */
function names(variable: Deno.PointerValue): Set<string> {
  const found = new Set<string>();
  const environ = variable === null ? null : new Deno.UnsafePointerView(variable).getPointer();
  if (environ === null) return found;
  const view = new Deno.UnsafePointerView(environ);
  for (let at = 0;; at += POINTER_SIZE) {
    const entry = view.getPointer(at);
    if (entry === null) return found;
    const [name] = Deno.UnsafePointerView.getCString(entry).split("=", 1);
    if (name !== "") found.add(name!);
  }
}
