import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { Stopped } from "../command/context.ts";
import type { Terminal } from "../secrets/prompt.ts";

const CTRL_C = 0x03;
const YES = ["y", "Y"];
/** Enter, Ctrl-D and Escape are a no too. */
const NO = ["n", "N", "\r", "\n", "\x04", "\x1b"];

/**
 * Asks a question that is answered by a key, and says why where an error ends it before; restores
 * the terminal's mode.
 * @throws {Stopped} on Ctrl-C, exit code 130; the reason of `signal`
 */
export async function askYesNo(
  terminal: Terminal,
  question: string,
  signal: AbortSignal,
): Promise<boolean> {
  terminal.setRaw(true);
  let answer = "";
  try {
    terminal.write(`${question} [y/N] `);
    const key = new Uint8Array(64);
    for (;;) {
      // A read from a terminal cannot be cancelled, so it is abandoned.
      const got = await abortable(terminal.read(key), signal).catch((error) => {
        if (error instanceof TtunError) answer = `\r\nThe question is over: ${error.message}`;
        throw error;
      });
      if (got === null) return false;
      if (key.subarray(0, got).includes(CTRL_C)) throw new Stopped("Ctrl-C", 130);
      const typed = String.fromCharCode(key[0]!);
      if (YES.includes(typed)) {
        answer = "yes";
        return true;
      }
      if (!NO.includes(typed)) continue;
      answer = "no";
      return false;
    }
  } finally {
    terminal.setRaw(false);
    terminal.write(`${answer}\r\n`);
  }
}

/**
 * A terminal where the read of a question that was given up is that of the next one. Keys that are
 * typed between the two answer none.
 */
export function keepingKeys(terminal: Terminal): Terminal {
  let coming: Promise<Uint8Array | null> | null = null;
  let isAsking = false;
  const readKeys = async () => {
    for (;;) {
      const keys = new Uint8Array(64);
      const got = await terminal.read(keys);
      if (got === null) return null;
      if (isAsking) return keys.subarray(0, got);
    }
  };
  return {
    isTerminal: () => terminal.isTerminal(),
    setRaw: (on) => {
      isAsking = on;
      terminal.setRaw(on);
    },
    write: (text) => terminal.write(text),
    read: async (into) => {
      const keys = await (coming ??= readKeys());
      coming = null;
      if (keys === null) return null;
      into.set(keys);
      return keys.length;
    },
  };
}
