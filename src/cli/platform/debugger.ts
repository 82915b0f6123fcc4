import { hasOwnListener } from "../../../ffi/linux/own_listener.ts";
import { takeUsr1 } from "../../../ffi/linux/taken_signal.ts";
import { makeUndumpable } from "../../../ffi/linux/undumpable.ts";
import { TtunError } from "../../base/errors.ts";
import { isGranted } from "./permissions.ts";

/**
 * Deno 2.9.2 and later opens a debugger here when SIGUSR1 comes. Whoever reaches the port, as
 * another user of the machine can, runs JavaScript in the process and reads its keys.
 */
const DEBUGGER = { hostname: "127.0.0.1", port: 9229 } as const;

/** The exit code of a process that SIGUSR1 ends: 128 and its number on Linux. */
const ENDED_BY_USR1 = 138;

/** SIGUSR1 that opens no debugger. */
export interface Usr1 {
  /**
   * `came`: the signal has come since the last call. `stolen`: the runtime had taken it back, and
   * lost it again.
   */
  check(): "quiet" | "came" | "stolen";
}

/**
 * Keeps SIGUSR1 from Deno for the rest of the process, keeps other processes of the account from
 * its memory, and refuses to go on when a debugger is open already. To be called before all else is
 * loaded: Deno begins to listen half a second after its start. Without native calls only the first
 * is done. Windows has no such signal.
 * @throws {TtunError} usage, when a debugger is open
 */
export function closeDebugger(): Usr1 | null {
  if (Deno.build.os === "windows") return null;
  const isNative = isGranted({ name: "ffi" });
  const fallback = new HeldPort();
  // The runtime asks the system for a signal at its first listener only: those that follow, as the
  // debugger's, are fed by the same handler, and what replaces it here stays.
  Deno.addSignalListener("SIGUSR1", () => fallback.onSignal());
  if (!isNative) return fallback;
  if (Deno.build.os === "linux") makeUndumpable(); // keys are safer by it, and ttun runs without
  const usr1 = takeUsr1();
  refuseDebugger();
  return usr1;
}

/**
 * To be called again once the event loop has turned, and before anything of ours listens: a signal
 * from before `closeDebugger` may have its effect only then.
 * @throws {TtunError} usage, when a debugger is open; it is not noticed without native calls
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
 * Where the signal cannot be taken, the debugger's port is, from the first signal to the end, and
 * nobody is accepted there. Deno tries to open it once for each signal, after this listener, for
 * its own was added later. Where the port cannot be had, the signal does what it does to programs
 * that do not know it: it ends them.
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
