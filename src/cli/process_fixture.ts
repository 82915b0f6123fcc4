/** For tests of ttun from outside: whole processes, with and without a terminal. */

const ROOT = new URL("../../", import.meta.url);

/** Time without output after which a program counts as stuck. */
const LONGEST_WAIT_MS = 60_000;

/** Path of ttun's entry point. */
export const MAIN = new URL("main.ts", ROOT).pathname;

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `deno ARGS` to its end, with `stdin` as its whole input. */
export async function runDeno(
  args: readonly string[],
  o: { env?: Record<string, string>; stdin?: string } = {},
): Promise<Ended> {
  await using running = startDeno(args, o);
  await running.type(o.stdin ?? "");
  await running.endInput();
  return await running.ended;
}

/** Runs `ttun ARGS` with all permissions to its end. */
export function runTtun(...args: string[]): Promise<Ended> {
  return runDeno(["run", "-A", MAIN, ...args]);
}

/** Starts `deno ARGS`; disposal kills it if it has not ended. */
export function startDeno(
  args: readonly string[],
  o: { env?: Record<string, string> } = {},
): Running {
  return new Running(Deno.execPath(), args, o);
}

/**
 * Runs a shell command on a terminal of its own (script of util-linux). Both its outputs are then
 * `stdout`, with a terminal's line ends.
 */
export function startOnTerminal(
  command: string,
  o: { env?: Record<string, string> } = {},
): Running {
  return new Running("script", ["-qec", command, "/dev/null"], o);
}

/** Writes a TypeScript program whose imports from "cli/x.ts" lead here. */
export async function writeScript(source: string): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempFile({ prefix: "ttun-test-", suffix: ".ts" });
  const folder = new URL(".", import.meta.url).href;
  await Deno.writeTextFile(path, source.replaceAll(`"cli/`, `"${folder}`));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/** A process whose output is collected as it comes. */
export class Running implements AsyncDisposable {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #stdout = "";
  #stderr = "";
  #hasEnded = false;
  #onOutput: () => void = () => {};

  constructor(program: string, args: readonly string[], o: { env?: Record<string, string> }) {
    this.#child = new Deno.Command(program, {
      args: [...args],
      env: { NO_COLOR: "1", ...o.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#child.pid;
    this.#input = this.#child.stdin.getWriter();
    this.ended = this.#collect();
  }

  /** Returns all output so far. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Waits until `text` is printed. @throws {Error} if the process ends first, or after a minute */
  async prints(text: string): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#onOutput();
    }, LONGEST_WAIT_MS);
    try {
      while (!this.output.includes(text)) {
        if (this.#hasEnded) throw new Error(`Ended without printing ${text}: ${this.output}`);
        if (isLate) throw new Error(`Has not printed ${text}: ${this.output}`);
        await new Promise<void>((resolve) => this.#onOutput = resolve);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async type(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text));
  }

  async endInput(): Promise<void> {
    await this.#input.close();
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#child.kill("SIGKILL");
    await this.ended;
    // Fails if a test has closed the pipe, or the process has ended.
    await this.#input.abort().catch(() => undefined);
  }

  async #collect(): Promise<Ended> {
    const [status] = await Promise.all([
      this.#child.status,
      this.#read(this.#child.stdout, (text) => this.#stdout += text),
      this.#read(this.#child.stderr, (text) => this.#stderr += text),
    ]);
    this.#hasEnded = true;
    this.#onOutput();
    return { code: status.code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(from: ReadableStream<BufferSource>, take: (text: string) => void): Promise<void> {
    for await (const text of from.pipeThrough(new TextDecoderStream())) {
      take(text);
      this.#onOutput();
    }
  }
}
