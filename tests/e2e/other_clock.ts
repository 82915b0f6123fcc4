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

/** A clock that begins as this machine's and runs `speed` times as fast. */
export interface FastClock {
  /** For a program that is started now: libfaketime counts from each program's own start. */
  environment(): Record<string, string>;
  /** Returns that clock's time at a time of this machine, both in milliseconds since 1970. */
  at(unixMs: number): number;
}

export function fastClock(speed: number): FastClock {
  const start = Date.now();
  return {
    environment: () => {
      const ahead = (speed - 1) * (Date.now() - start) / 1000;
      const { LD_PRELOAD } = otherClock(0);
      return { LD_PRELOAD: LD_PRELOAD!, FAKETIME: `+${ahead}s x${speed}` };
    },
    at: (unixMs) => start + speed * (unixMs - start),
  };
}
