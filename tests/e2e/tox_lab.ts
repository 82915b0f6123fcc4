import { openToxcore, type Toxcore } from "../../ffi/tox/toxcore.ts";
import { TtunError } from "../../src/base/errors.ts";

/** Milliseconds for two nodes to find each other: ten seconds as a rule, forty seen. */
export const TOX_LINK_MS = 90_000;

/** True where libtoxcore is not installed, which is told. */
export function lacksToxcore(): boolean {
  try {
    openToxcore(Deno.build.os, Deno.execPath())[Symbol.dispose]();
    return false;
  } catch (error) {
    if (!(error instanceof TtunError) || error.kind !== "system") throw error;
    console.log(`Skipped: ${error.message}`);
    return true;
  }
}

/** @throws {TtunError} */
export function openLocalToxcore(): Toxcore {
  return openToxcore(Deno.build.os, Deno.execPath());
}
