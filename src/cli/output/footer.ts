import { readVariable } from "../platform/variables.ts";
import { standardError } from "./log_output.ts";

const USUAL_COLUMNS = 80;

/** A line below the log that the next one replaces, until it is disposed of. */
export interface Footer extends Disposable {
  /** An empty text takes it away. */
  show(text: string): void;
}

/** Shows nothing where standard error is no terminal that a line can be redrawn on. */
export function openFooter(): Footer {
  const isShown = Deno.stderr.isTerminal() && readVariable("TERM") !== "dumb";
  const show = (text: string) => {
    if (!isShown) return;
    // A terminal may go on to the next row once its last column is written.
    standardError.setFooter(text === "" ? null : text.slice(0, columns() - 1));
  };
  return { show, [Symbol.dispose]: () => show("") };
}

function columns(): number {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 1 ? columns : USUAL_COLUMNS;
  } catch {
    return USUAL_COLUMNS; // it has none, as a serial line
  }
}
