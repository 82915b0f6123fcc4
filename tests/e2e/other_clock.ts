const LIBRARIES = "/usr/lib";
/** The variant for programs of several threads: with the other one they crash now and then. */
const LIBRARY = "faketime/libfaketimeMT.so.1";

/**
 * The environment of a program whose clock is so many seconds ahead of this machine's (Debian's
 * libfaketime). Without faketime's own command, which stays behind as a parent that passes no signal
 * on, and whose semaphore is now and then an older one's.
 */
export function otherClock(seconds: number): Record<string, string> {
  const path = [...Deno.readDirSync(LIBRARIES)].map(({ name }) => `${LIBRARIES}/${name}/${LIBRARY}`)
    .find(exists);
  if (path === undefined) throw new Error(`There is no ${LIBRARY} below ${LIBRARIES}`);
  return { LD_PRELOAD: path, FAKETIME: `${seconds < 0 ? "" : "+"}${seconds}s` };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
