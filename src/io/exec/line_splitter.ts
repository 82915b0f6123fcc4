/** Characters of a line beyond which it is cut. */
const LONGEST_LINE = 1000;

/** Cuts what a program prints into lines, whatever pieces it comes in. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  #rest = "";

  /** A line has neither its end nor blanks around it, and is never empty. */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split(/[\r\n]+/);
    this.#rest = lines.pop()!;
    for (const line of lines) this.#say(line);
    while (this.#rest.length > LONGEST_LINE) {
      this.#say(this.#rest.slice(0, LONGEST_LINE));
      this.#rest = this.#rest.slice(LONGEST_LINE);
    }
  }

  /** Gives what has no line end. */
  end(): void {
    this.#say(this.#rest + this.#decoder.decode());
    this.#rest = "";
  }

  #say(line: string): void {
    for (let at = 0; at < line.length; at += LONGEST_LINE) {
      const part = line.slice(at, at + LONGEST_LINE).trim();
      if (part !== "") this.#onLine(part);
    }
  }
}
