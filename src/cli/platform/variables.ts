import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";

/**
 * Returns undefined also if Deno does not permit a look.
 * @throws {TtunError} usage, without the value, which may be a secret
 */
export function readVariable(name: string): string | undefined {
  if (!isGranted({ name: "env", variable: name })) return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    // Deno's own error contains the value, so it must not even be the cause.
    throw new TtunError("usage", `Cannot read ${name} in the environment: it is not UTF-8 text`);
  }
}
