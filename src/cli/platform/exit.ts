import { exitAtOnce } from "../../../ffi/linux/exit.ts";
import { isGranted } from "./permissions.ts";

/** Ends the process; what was written to standard output and error is out. */
export function exit(code: number): never {
  try {
    if (Deno.build.os !== "windows" && isGranted({ name: "ffi" })) exitAtOnce(code);
  } catch {
    // The C library has another name here: the runtime's own exit does as well.
  }
  Deno.exit(code);
}
