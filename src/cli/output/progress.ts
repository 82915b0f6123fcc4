import { utf8 } from "../../base/bytes.ts";

/** A line on a terminal that the next one replaces; elsewhere nothing is shown. */
export interface Progress {
  show(text: string): void;
  clear(): void;
}

const ERASE_LINE = "\r\x1b[K";

export function progress(): Progress {
  const isShown = Deno.stderr.isTerminal();
  let isDirty = false;
  const write = (text: string) => {
    try {
      Deno.stderr.writeSync(utf8(text));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  return {
    show: (text) => {
      if (!isShown) return;
      isDirty = true;
      write(`${ERASE_LINE}${text}`);
    },
    clear: () => {
      if (isDirty) write(ERASE_LINE);
      isDirty = false;
    },
  };
}
