import { Stopped } from "./command/context.ts";

/** Which signals ask ttun to stop, and the exit code of a process that they end at once. */
const STOP_SIGNALS: readonly { readonly name: Deno.Signal; readonly exitCode: number }[] =
  Deno.build.os === "windows"
    ? [{ name: "SIGINT", exitCode: 130 }, { name: "SIGBREAK", exitCode: 149 }]
    : [
      { name: "SIGINT", exitCode: 130 },
      { name: "SIGTERM", exitCode: 143 },
      { name: "SIGHUP", exitCode: 129 }, // the terminal has gone
    ];

/**
 * Aborts `root` with a `Stopped` on the first signal that asks for it; the second, whichever it
 * is, ends the process at once, for the case that stopping hangs. Dispose to listen no more.
 */
export function stopOnSignals(
  root: AbortController,
  onFirst: (name: Deno.Signal) => void,
): Disposable {
  let asked = false;
  const listeners = STOP_SIGNALS.map(({ name, exitCode }) => {
    const listener = () => {
      if (asked) Deno.exit(exitCode);
      asked = true;
      onFirst(name);
      root.abort(new Stopped(name));
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  return {
    [Symbol.dispose]: () => {
      for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
