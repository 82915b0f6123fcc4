import { TtunError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { requirePermissions } from "./permissions.ts";

/** Checks beforehand what `writePidFile` needs. @throws {TtunError} privilege */
export function mayWritePidFile(path: string): void {
  const name = `process number file ${JSON.stringify(path)}`;
  requirePermissions([
    { permission: { name: "write", path }, purpose: `write ${name}` },
    { permission: { name: "read", path }, purpose: `read ${name}` },
  ]);
}

/**
 * Writes this process's number and a line end into a file, which disposal, or the end of the
 * process, removes; not where it has become another's meanwhile.
 * @throws {TtunError} usage, privilege
 */
export function writePidFile(path: string, log: Logger): Disposable {
  const text = `${Deno.pid}\n`;
  try {
    Deno.writeTextFileSync(path, text, { mode: 0o644 });
  } catch (error) {
    throw cannotWrite(path, error);
  }
  let isThere = true;
  const remove = () => {
    if (!isThere) return;
    isThere = false;
    removeEventListener("unload", remove);
    try {
      if (Deno.readTextFileSync(path) === text) Deno.removeSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      log.warn("cannot remove the process number file", { path, why: reasonOf(error) });
    }
  };
  // A second Ctrl-C ends the process at once.
  addEventListener("unload", remove);
  return { [Symbol.dispose]: remove };
}

function cannotWrite(path: string, error: unknown): TtunError {
  const kind = error instanceof Deno.errors.PermissionDenied ||
      error instanceof Deno.errors.NotCapable
    ? "privilege"
    : "usage";
  return new TtunError(
    kind,
    `Cannot write process number file ${JSON.stringify(path)}: ${reasonOf(error)}`,
    { cause: error },
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return "Deno does not let ttun do it";
  if (error instanceof Deno.errors.PermissionDenied) return "the system does not allow it";
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  return error instanceof Error ? error.message : String(error);
}
