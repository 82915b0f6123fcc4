import { TtunError } from "../../base/errors.ts";
import { lookAt } from "../../io/files/present.ts";
import { whyNotOurs } from "../platform/folders.ts";
import { trustedOwners } from "../platform/owners.ts";
import { isGranted } from "../platform/permissions.ts";

/** Others of the group may read it: it holds no secrets. */
const MODE = 0o640;

/**
 * Opens a file to append to, or makes it. Where files have owners and Deno permits to look, nothing
 * is written that another user has put there or redirected meanwhile, and a pipe is not waited for.
 * @throws {TtunError} usage, privilege
 */
export function openLog(path: string): Deno.FsFile {
  const refuse = (why: string, kind: "usage" | "privilege", cause?: unknown) =>
    new TtunError(kind, `Cannot write log file ${JSON.stringify(path)}: ${why}`, { cause });
  const refuseOthers = () => {
    const why = whyNotOurs(path);
    if (why !== null) throw refuse(why, "usage");
  };
  refuseOthers();
  try {
    if (Deno.build.os === "windows" || !isGranted({ name: "read", path })) {
      return Deno.openSync(path, { append: true, create: true, mode: MODE });
    }
    const target = targetOf(path);
    const before = lookAt(target);
    if (before?.isFile === false) throw refuse("it is no file", "usage");
    const how = before === null ? { createNew: true, mode: MODE } : {};
    using opened = new DisposableStack();
    const file = opened.use(Deno.openSync(target, { append: true, ...how }));
    refuseOthers();
    if (!isStill(target, file)) throw refuse("another file has taken its place", "usage");
    opened.move();
    return file;
  } catch (error) {
    if (error instanceof TtunError) throw error;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw refuse("the system does not allow it", "privilege", error);
    }
    if (error instanceof Deno.errors.NotFound) {
      throw refuse("there is no such folder", "usage", error);
    }
    if (error instanceof Deno.errors.AlreadyExists) {
      throw refuse("another file has taken its place", "usage", error);
    }
    throw refuse(error instanceof Error ? error.message : String(error), "usage", error);
  }
}

/** Returns where a trusted user's link leads; anybody else's is no file, and stays. */
function targetOf(path: string): string {
  const info = lookAt(path);
  if (info?.isSymlink !== true) return path;
  const isOurs = info.uid === null || trustedOwners()?.has(info.uid) !== false;
  return isOurs ? Deno.realPathSync(path) : path;
}

function isStill(path: string, file: Deno.FsFile): boolean {
  const [there, opened] = [lookAt(path), file.statSync()];
  return there !== null && opened.isFile && there.dev === opened.dev && there.ino === opened.ino;
}
