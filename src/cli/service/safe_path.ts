import { TtunError } from "../../base/errors.ts";
import { othersMayWrite, whyNotOurs } from "../platform/folders.ts";

/** Characters that mean the same in a unit, a script and a property list. */
const PLAIN = /^[A-Za-z0-9._/@+-]+$/;

/** Windows keeps what is below from all but administrators; its folders have spaces. */
const PROGRAM_FILES = /^[a-z]:\\Program Files\\[A-Za-z0-9 ._@+\\()-]+$/i;

/** Others may run the file, and enter the folder. */
const OTHERS_RUN = 0o001;

/** Folders that the service does not see (ProtectHome=, PrivateTmp=). */
const UNSEEN = /^\/(home|root|run\/user|tmp|var\/tmp)\//;

/**
 * Returns the real path of a file that a service for root may name: neither the file nor a folder
 * above it can be changed by anybody but root, not even by the caller of sudo. `mend`: how it gets
 * to such a place.
 * @throws {TtunError} usage
 */
export function safeFile(path: string, what: string, mend: (path: string) => string): string {
  const refuse = (why: string) =>
    new TtunError("usage", `Cannot make a service with ${what} ${JSON.stringify(path)}: ${why}`);
  if (Deno.build.os === "windows") {
    if (PROGRAM_FILES.test(path) && !/(^|\\)\.\.(\\|$)/.test(path)) return path;
    throw refuse("others could change it; put it below C:\\Program Files");
  }
  const roots = rootsOf();
  const why = whyNotOurs(path, roots);
  if (why !== null) throw refuse(`${why}, who could change what root runs; ${mend(path)}`);
  const { real, info } = inspect(path, refuse);
  if (!PLAIN.test(real)) {
    throw refuse("its path may have letters, digits and . _ / @ + - alone; give it another name");
  }
  if (info.uid !== null && !roots.has(info.uid)) {
    throw refuse(`it belongs to user ${info.uid}, who could change it; ${mend(path)}`);
  }
  if (othersMayWrite(info)) throw refuse(`other users may write to it; run chmod go-w ${real}`);
  return real;
}

/** @throws {TtunError} usage, for a program that the service's own user could not run */
export function refuseUnseenProgram(real: string): void {
  const refuse = (why: string) =>
    new TtunError("usage", `Cannot make a service with program ${JSON.stringify(real)}: ${why}`);
  if (UNSEEN.test(real)) {
    throw refuse(`a service does not see that folder; ${installHint(real)}`);
  }
  for (let at = real; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    const { mode } = Deno.statSync(at);
    if (mode !== null && (mode & OTHERS_RUN) === 0) {
      throw refuse(`its own user may not run it: see the mode of ${at}; ${installHint(real)}`);
    }
  }
}

/** Words for a program that has to lie elsewhere. */
export function installHint(path: string): string {
  return `copy it, as root: install -m 755 ${path} /usr/local/bin/ttun, and run that one`;
}

function inspect(path: string, refuse: (why: string) => TtunError) {
  try {
    const real = Deno.realPathSync(path);
    const info = Deno.statSync(real);
    if (info.isFile) return { real, info };
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw refuse("there is no such file");
  }
  throw refuse("it is no file");
}

/** Root has another number in a user namespace, where it owns the root folder. */
function rootsOf(): ReadonlySet<number> {
  const system = Deno.lstatSync("/").uid;
  return new Set(system === null ? [0] : [0, system]);
}
