import { hasOwnListener } from "../../../ffi/linux/own_listener.ts";
import { takeUsr1 } from "../../../ffi/linux/taken_signal.ts";
import { makeUndumpable } from "../../../ffi/linux/undumpable.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";

/** Opened by Deno 2.9.2 and later on SIGUSR1: any local user can then run code and read keys. */
const DEBUGGER = { hostname: "127.0.0.1", port: 9229 } as const;

/** Exit code of a process that SIGUSR1 ends (Linux): 128 and its number. */
const ENDED_BY_USR1 = 138;

export interface Usr1 {
  /** "stolen" means that the runtime had taken the signal back since the last call. */
  check(): "quiet" | "came" | "stolen";
}

/**
 * Keeps SIGUSR1 from Deno for good, protects memory from other processes of the user, and refuses
 * to run under a debugger. Must come before anything else is loaded: Deno begins to listen half a
 * second after its start. Without native calls only the first is done. Windows has no such signal.
 * @throws {TtunError} usage, if a debugger is open
 */
export function closeDebugger(): Usr1 | null {
  if (Deno.build.os === "windows") return null;
  const isNative = isGranted({ name: "ffi" });
  const fallback = new HeldPort();
  // Deno sets up a signal at its first listener only: what replaces that handler here stays.
  Deno.addSignalListener("SIGUSR1", () => fallback.onSignal());
  if (!isNative) {
    fallback.hold();
    return fallback;
  }
  if (Deno.build.os === "linux") makeUndumpable(); // makes keys safer, but is not necessary
  const usr1 = takeUsr1();
  refuseDebugger();
  return usr1;
}

/**
 * Looks once more, after a turn of the event loop and before ttun listens: a signal from before
 * `closeDebugger` may take effect only then.
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
 * Occupies the debugger's port when the signal cannot be taken, for as long as the process lives:
 * Deno tries to open it once per signal, and may be quicker than a listener of the signal. If the
 * port is not available, the signal ends the process, as by default.
 */
class HeldPort implements Usr1 {
  #hasCome = false;
  #port: Deno.Listener | null = null;

  /** Returns true if the port is held, by this process or by another one. */
  hold(): boolean {
    const host = `${DEBUGGER.hostname}:${DEBUGGER.port}`;
    if (!isGranted({ name: "net", host })) return false;
    try {
      this.#port ??= Deno.listen(DEBUGGER);
      return true;
    } catch (error) {
      return error instanceof Deno.errors.AddrInUse;
    }
  }

  onSignal(): void {
    this.#hasCome = true;
    if (!this.hold()) Deno.exit(ENDED_BY_USR1);
  }

  check(): "quiet" | "came" {
    const state = this.#hasCome ? "came" : "quiet";
    this.#hasCome = false;
    return state;
  }
}
