/** Programs that tests start: output collected and waited for, and an end that is certain. */

export interface SpawnOptions {
  cwd?: string;
  /** Added to our own environment, or alone with `clearEnv`. */
  env?: Record<string, string>;
  clearEnv?: boolean;
  /** Bytes or text to be read; "piped" = what `Process.write` gives. Without: an empty input. */
  stdin?: Uint8Array | { text: string } | "piped";
}

const WAIT_MS = 20_000;
/** Far more than an end takes (tests of signals have their own bound): machines may stand still. */
const TERM_GRACE_MS = 6000;
/** How long the output may stay open after the end: a child of the program's may hold it. */
const OUTPUT_GRACE_MS = 1000;

/** A running program; its output is collected from the start. */
export class Process implements AsyncDisposable {
  readonly pid: number;
  /** Settles when the program has ended. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Settles when it has ended and all of its output is here. */
  readonly closed: Promise<void>;
  /** Everything that it printed to each stream so far. */
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #command: string;
  readonly #input: WritableStreamDefaultWriter<Uint8Array> | null;
  /** Whole lines of both streams in the order of their coming, without their line ends. */
  readonly #lines: string[] = [];
  readonly #tails = { stdout: "", stderr: "" };
  readonly #watchers = new Set<() => void>();
  #ended: Deno.CommandStatus | null = null;

  constructor(command: string, args: string[], options: SpawnOptions = {}) {
    const { stdin, ...rest } = options;
    this.#command = [command, ...args].join(" ");
    this.#child = new Deno.Command(command, {
      ...rest,
      args,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#input = stdin === undefined ? null : this.#child.stdin.getWriter();
    if (stdin !== undefined && stdin !== "piped") this.#feed(stdin);
    const cancel = new AbortController();
    const output = Promise.all([
      this.#collect("stdout", cancel.signal),
      this.#collect("stderr", cancel.signal),
    ]);
    this.status = this.#child.status.then((status) => {
      this.#ended = status;
      return status;
    });
    this.closed = this.#close(output, cancel);
  }

  /** Both streams' whole lines as they came, then what either has of an unfinished one. */
  get output(): string {
    const tails = [this.#tails.stdout, this.#tails.stderr].filter((tail) => tail !== "");
    return [...this.#lines, ...tails].join("\n");
  }

  /** How many whole lines there are: give it to `waitFor` to look only at what comes after. */
  get lineCount(): number {
    return this.#lines.length;
  }

  /**
   * Waits until the output from line `fromLine` on matches.
   * @throws when the time is over or the program has ended, with all the output so far.
   */
  async waitFor(pattern: RegExp, timeoutMs = WAIT_MS, fromLine = 0): Promise<RegExpExecArray> {
    const { promise: late, resolve: giveUp } = Promise.withResolvers<"late">();
    const timer = setTimeout(() => giveUp("late"), timeoutMs);
    try {
      for (let state: "more" | "ended" | "late" = "more";;) {
        const found = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""))
          .exec(this.#outputFrom(fromLine));
        if (found !== null) return found;
        if (state !== "more") throw this.#missing(pattern, state, timeoutMs);
        const { promise: change, resolve: wake } = Promise.withResolvers<"more">();
        const watch = () => wake("more");
        this.#watchers.add(watch);
        const ended = this.closed.then(() => "ended" as const);
        state = await Promise.race([change, ended, late]);
        this.#watchers.delete(watch);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #outputFrom(line: number): string {
    return line === 0 ? this.output : this.output.split("\n").slice(line).join("\n");
  }

  #missing(pattern: RegExp, state: "ended" | "late", timeoutMs: number): Error {
    const why = state === "late"
      ? `did not print ${pattern} in ${timeoutMs} ms`
      : `ended (code ${this.#ended?.code}) without printing ${pattern}`;
    return new Error(`${this.#command}\n${why}. Its output:\n${this.output}`);
  }

  /** Writes to the program's input, which must have been asked for as "piped". */
  async write(data: Uint8Array | string): Promise<void> {
    if (this.#input === null) throw new Error('Cannot write: spawn it with stdin: "piped"');
    await this.#input.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** Ends the program's input. */
  async closeInput(): Promise<void> {
    await this.#input?.close().catch(ignoreClosedPipe);
  }

  /** Sends a signal, if the program still runs. */
  signal(signal: Deno.Signal): void {
    if (this.#ended !== null) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended, and we hear of it later
    }
  }

  /** Asks the program to end, makes it end after TERM_GRACE_MS, and waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), TERM_GRACE_MS);
    await this.status.finally(() => clearTimeout(timer));
    await this.closed;
  }

  async #feed(input: Uint8Array | { text: string }): Promise<void> {
    try {
      await this.write(input instanceof Uint8Array ? input : input.text);
    } catch (error) {
      ignoreClosedPipe(error);
    }
    await this.closeInput();
  }

  async #collect(stream: "stdout" | "stderr", signal: AbortSignal): Promise<void> {
    const decoder = new TextDecoder();
    const reader = this.#child[stream].getReader();
    const stop = () => void reader.cancel();
    signal.addEventListener("abort", stop);
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      this.#add(stream, decoder.decode(chunk.value, { stream: true }));
    }
    signal.removeEventListener("abort", stop);
  }

  #add(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    const lines = (this.#tails[stream] + text).split("\n");
    this.#tails[stream] = lines.pop()!;
    this.#lines.push(...lines);
    for (const wake of this.#watchers) wake();
  }

  async #close(output: Promise<unknown>, cancel: AbortController): Promise<void> {
    await this.status;
    const timer = setTimeout(() => cancel.abort(), OUTPUT_GRACE_MS);
    await output.finally(() => clearTimeout(timer));
    await this.closeInput();
  }
}

/** A program may end before it has read all of its input. */
export function ignoreClosedPipe(error: unknown): void {
  const isClosed = error instanceof Deno.errors.BrokenPipe || error instanceof TypeError;
  if (!isClosed) throw error;
}
