import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { Stopped } from "../command/context.ts";

export interface Terminal {
  /** Returns true if a user can both see a question and type an answer. */
  isTerminal(): boolean;
  /** In raw mode keys arrive one by one, are not shown, and Ctrl-C is a byte, not a signal. */
  setRaw(on: boolean): void;
  read(into: Uint8Array): Promise<number | null>;
  write(text: string): void;
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const SPACE = 0x20;
const DELETE = 0x7f;

/**
 * Returns the bytes typed before Enter, which are not shown. Restores the terminal's mode.
 * @throws {Stopped} on Ctrl-C, exit code 130; or the reason of `signal`
 * @throws {TtunError} usage, above `limit` bytes
 */
export async function promptSecret(
  terminal: Terminal,
  question: string,
  o: { signal: AbortSignal; limit: number },
): Promise<Uint8Array> {
  // Before the question, because an early answer must not be shown either.
  terminal.setRaw(true);
  try {
    terminal.write(question);
    return await readLine(terminal, o);
  } finally {
    terminal.setRaw(false);
    // Enter was not shown either.
    terminal.write("\n");
  }
}

async function readLine(
  terminal: Terminal,
  o: { signal: AbortSignal; limit: number },
): Promise<Uint8Array> {
  const line = new LineEditor();
  const chunk = new Uint8Array(256);
  try {
    while (true) {
      // A read from a terminal cannot be cancelled, so it is abandoned.
      const length = await abortable(terminal.read(chunk), o.signal);
      if (length === null) return line.take();
      for (const byte of chunk.subarray(0, length)) {
        if (line.type(byte)) return line.take();
        if (line.length > o.limit) {
          throw new TtunError("usage", `Cannot use the key: it is longer than ${o.limit} bytes`);
        }
      }
    }
  } finally {
    chunk.fill(0);
  }
}

/** Replaces the terminal's line discipline, which raw mode turns off. */
class LineEditor {
  #bytes: number[] = [];
  /** Position in an escape sequence, such as that of an arrow key. */
  #escape: "none" | "begun" | "inside" = "none";

  get length(): number {
    return this.#bytes.length;
  }

  /** Returns true if the byte completes the line. */
  type(byte: number): boolean {
    if (this.#escape !== "none") {
      this.#skip(byte);
      return false;
    }
    switch (byte) {
      case CTRL_C:
        throw new Stopped("Ctrl-C", 130);
      case CTRL_D:
      case LINE_FEED:
      case RETURN:
        return true;
      case BACKSPACE:
      case DELETE:
        this.#dropCharacter();
        return false;
      case CTRL_U:
        this.#bytes = [];
        return false;
      case ESCAPE:
        this.#escape = "begun";
        return false;
      default:
        if (byte >= SPACE) this.#bytes.push(byte);
        return false;
    }
  }

  take(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** Skips up to a byte from 0x40 to 0x7e, after `ESC [` and `ESC O` (ECMA-48). */
  #skip(byte: number): void {
    const opens = this.#escape === "begun" && (byte === 0x5b || byte === 0x4f);
    const goesOn = this.#escape === "inside" && (byte < 0x40 || byte > 0x7e);
    this.#escape = opens || goesOn ? "inside" : "none";
  }

  #dropCharacter(): void {
    let byte = this.#bytes.pop();
    while (byte !== undefined && (byte & 0xc0) === 0x80) byte = this.#bytes.pop();
  }
}
