/**
 * Files that must not outlive a benchmark or the demo, however it ends. Processes and namespaces
 * end with us by themselves (tests/netns.ts); files do not, so Ctrl-C and SIGTERM remove them on
 * the way out.
 */

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export class TemporaryFiles implements Disposable {
  /** A folder of the program's own. */
  readonly folder = Deno.makeTempDirSync({ prefix: "ttun-files-" });
  readonly #paths = new Set([this.folder]);
  readonly #onSigint = () => this.#endProgram("SIGINT");
  readonly #onSigterm = () => this.#endProgram("SIGTERM");

  constructor() {
    Deno.addSignalListener("SIGINT", this.#onSigint);
    Deno.addSignalListener("SIGTERM", this.#onSigterm);
  }

  /** A folder inside `folder`. */
  makeFolder(name: string): string {
    return Deno.makeTempDirSync({ dir: this.folder, prefix: `${name}-` });
  }

  /** A file elsewhere that another program makes, and may leave behind when it is killed. */
  add(path: string): void {
    this.#paths.add(path);
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#onSigint);
    Deno.removeSignalListener("SIGTERM", this.#onSigterm);
    this.#removeAll();
  }

  #endProgram(signal: keyof typeof EXIT_CODES): never {
    this.#removeAll();
    Deno.exit(EXIT_CODES[signal]);
  }

  #removeAll(): void {
    for (const path of this.#paths) {
      try {
        Deno.removeSync(path, { recursive: true });
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }
}
