import { Stopped } from "./command/context.ts";
import { exit } from "./platform/exit.ts";

const STOP_SIGNALS: readonly { readonly name: Deno.Signal; readonly exitCode: number }[] =
  Deno.build.os === "windows"
    ? [{ name: "SIGINT", exitCode: 130 }, { name: "SIGBREAK", exitCode: 149 }]
    : [
      { name: "SIGINT", exitCode: 130 },
      { name: "SIGTERM", exitCode: 143 },
      { name: "SIGHUP", exitCode: 129 }, // the terminal was closed
    ];

/**
 * Aborts `root` at the first signal; the second ends the process, in case stopping hangs.
 * `onHangup` returns true if SIGHUP has another meaning now.
 */
export function stopOnSignals(
  root: AbortController,
  onFirst: (name: Deno.Signal) => void,
  onHangup: () => boolean,
): Disposable {
  let asked = false;
  const listeners = STOP_SIGNALS.map(({ name, exitCode }) => {
    const listener = () => {
      if (name === "SIGHUP" && onHangup()) return;
      if (asked) exit(exitCode);
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
