import { TtunError } from "../../base/errors.ts";
import { abortable } from "../../base/scope.ts";
import { Stopped } from "../command/context.ts";

/** The terminal that a prompt speaks with. */
export interface Terminal {
  /** Whether somebody can both see a question and type an answer. */
  isTerminal(): boolean;
  /** On: keys arrive one by one, are not shown, and Ctrl-C is a byte and no signal. */
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
 * Asks for a secret and returns the bytes that were typed up to Enter, without showing them. The
 * terminal is back in its usual mode whichever way this ends.
 *
 * @throws {Stopped} on Ctrl-C, exit code 130; or the reason of `signal`
 * @throws {TtunError} usage, over `limit` bytes
 */
export async function promptSecret(
  terminal: Terminal,
  question: string,
  o: { signal: AbortSignal; limit: number },
): Promise<Uint8Array> {
  // First: who types as soon as the question is there must not see the answer either.
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
      // A read from a terminal cannot be called back: it is left alone.
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

/** What a terminal's own line discipline would do, as raw mode leaves it to us. */
class LineEditor {
  #bytes: number[] = [];
  /** Where in an escape sequence (arrow keys and the like) we are; such are no part of a key. */
  #escape: "none" | "begun" | "inside" = "none";

  get length(): number {
    return this.#bytes.length;
  }

  /** Whether the line is complete with this byte. */
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

  /** ECMA-48: after `ESC [` and `ESC O` comes everything up to a byte from 0x40 to 0x7e. */
  #skip(byte: number): void {
    const opens = this.#escape === "begun" && (byte === 0x5b || byte === 0x4f);
    const goesOn = this.#escape === "inside" && (byte < 0x40 || byte > 0x7e);
    this.#escape = opens || goesOn ? "inside" : "none";
  }

  /** UTF-8 continuation bytes go with the byte that leads them. */
  #dropCharacter(): void {
    let byte = this.#bytes.pop();
    while (byte !== undefined && (byte & 0xc0) === 0x80) byte = this.#bytes.pop();
  }
}
