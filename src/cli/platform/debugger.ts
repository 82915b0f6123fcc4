import { hasOwnListener } from "../../../ffi/linux/own_listener.ts";
import { takeUsr1 } from "../../../ffi/linux/taken_signal.ts";
import { makeUndumpable } from "../../../ffi/linux/undumpable.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";

/**
 * Address of the debugger that Deno 2.9.2 and later opens on SIGUSR1. Anyone who reaches the port,
 * such as another local user, can run JavaScript in the process and read its keys.
 */
const DEBUGGER = { hostname: "127.0.0.1", port: 9229 } as const;

/** Exit code of a process that SIGUSR1 ends: on Linux, 128 and its number. */
const ENDED_BY_USR1 = 138;

/** A handler of SIGUSR1 in place of the debugger. */
export interface Usr1 {
  /**
   * Returns "came" if the signal has come since the last call, "stolen" if the runtime had taken it
   * back and lost it again.
   */
  check(): "quiet" | "came" | "stolen";
}

/**
 * Keeps SIGUSR1 from Deno for the rest of the process, protects its memory from other processes of
 * the same user, and refuses to run if a debugger is already open. Call it before anything else is
 * loaded: Deno begins to listen half a second after its start. Without native calls only the first
 * is done. Windows has no such signal.
 * @throws {TtunError} usage, if a debugger is open
 */
export function closeDebugger(): Usr1 | null {
  if (Deno.build.os === "windows") return null;
  const isNative = isGranted({ name: "ffi" });
  const fallback = new HeldPort();
  // Deno sets up a signal at its first listener only. Later ones, like the debugger's, share that
  // handler, so a handler that replaces it here stays.
  Deno.addSignalListener("SIGUSR1", () => fallback.onSignal());
  if (!isNative) return fallback;
  if (Deno.build.os === "linux") makeUndumpable(); // makes keys safer, but is not necessary
  const usr1 = takeUsr1();
  refuseDebugger();
  return usr1;
}

/**
 * Checks once more for a debugger. Call it after a turn of the event loop and before ttun listens,
 * because a signal from before `closeDebugger` may take effect only then.
 * @throws {TtunError} usage, if a debugger is open; without native calls this goes unnoticed
 */
export function refuseDebugger(): void {
  if (Deno.build.os === "windows" || !isGranted({ name: "ffi" }) || !hasOwnListener()) return;
  throw new TtunError(
    "usage",
    "Cannot start: a debugger is open in this process, and whoever connects to it can read the " +
      "keys; start ttun without --inspect, on the command line and in NODE_OPTIONS",
  );
}

/**
 * Occupies the debugger's port from the first signal on, if the signal itself cannot be taken, and
 * accepts nobody there. Deno tries to open the port once per signal, after this listener, which was
 * added first. If the port is not available, the signal ends the process, as it does by default.
 */
class HeldPort implements Usr1 {
  #hasCome = false;
  #port: Deno.Listener | null = null;

  onSignal(): void {
    this.#hasCome = true;
    const host = `${DEBUGGER.hostname}:${DEBUGGER.port}`;
    if (!isGranted({ name: "net", host })) Deno.exit(ENDED_BY_USR1);
    try {
      this.#port ??= Deno.listen(DEBUGGER);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) Deno.exit(ENDED_BY_USR1);
    }
  }

  check(): "quiet" | "came" {
    const state = this.#hasCome ? "came" : "quiet";
    this.#hasCome = false;
    return state;
  }
}
