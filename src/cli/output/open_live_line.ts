import { openJobControl } from "../../../ffi/linux/terminal.ts";
import type { LiveDisplay } from "../command/context.ts";
import { isGranted } from "../platform/permissions.ts";
import { liveText } from "../status/live_text.ts";
import { LiveLine, type LiveScreen } from "./live_line.ts";
import { standardError } from "./log_output.ts";

const STDERR = 2;

/** Columns of a terminal that does not tell its size. */
const USUAL_COLUMNS = 80;

/** Columns below which a terminal has surely not told its size. */
const LEAST_COLUMNS = 2;

export interface OpenedLiveLine extends Disposable {
  show(ask: () => void): LiveDisplay;
}

/** Opens what a live line on standard error needs while permissions are there. */
export function openLiveLine(): OpenedLiveLine {
  const jobs = Deno.build.os === "linux" && isGranted({ name: "ffi" }) ? openJobControl() : null;
  const screen: LiveScreen = {
    columns,
    isOurs: () => jobs?.isForeground(STDERR) ?? true,
    stop: () => jobs?.stop(),
  };
  return {
    show: (ask) => {
      const line = new LiveLine({ output: standardError, screen, render: liveText, ask });
      using opened = new DisposableStack();
      opened.use(line);
      const draw = () => line.draw();
      if (Deno.build.os !== "windows") {
        onSignal(opened, "SIGWINCH", draw);
        onSignal(opened, "SIGCONT", draw);
      }
      // Without native calls the process stops at once, with the line where it is.
      if (jobs !== null) onSignal(opened, "SIGTSTP", () => void line.suspend()); // never rejects
      const owned = opened.move();
      return {
        take: (sample) => line.take(sample),
        [Symbol.dispose]: () => owned.dispose(),
      };
    },
    [Symbol.dispose]: () => jobs?.[Symbol.dispose](),
  };
}

function onSignal(opened: DisposableStack, name: Deno.Signal, listener: () => void): void {
  Deno.addSignalListener(name, listener);
  opened.defer(() => Deno.removeSignalListener(name, listener));
}

function columns(): number {
  try {
    const { columns } = Deno.consoleSize();
    return columns < LEAST_COLUMNS ? USUAL_COLUMNS : columns;
  } catch {
    return USUAL_COLUMNS; // it has none, as a serial line
  }
}
