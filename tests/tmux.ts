/** A terminal of a test's own, by tmux: what it shows, other sizes, and keys. */
import assert from "node:assert/strict";
import { type Process, run, spawnHere } from "./e2e/proxy_pair.ts";
import type { RunResult } from "./netns.ts";

/** Milliseconds until a screen shows something, on a machine that is busy. */
const WAIT_MS = 30_000;

const LOCALE = "C.UTF-8";

/** Why there is no terminal here; null = there is one. */
export async function whyNoTmux(): Promise<string | null> {
  try {
    const { code } = await new Deno.Command("tmux", { args: ["-V"], stdout: "null" }).output();
    return code === 0 ? null : "tmux does not run here";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no tmux here";
    throw error;
  }
}

export class Tmux implements AsyncDisposable {
  readonly #socket: string;
  /** Ends with the test run, as no server in the background would. */
  readonly #server: Process;

  private constructor(socket: string, env: Record<string, string>) {
    this.#socket = socket;
    const args = ["-D", "-u", "-S", socket, "-f", "/dev/null"];
    this.#server = spawnHere("tmux", args, { env: { ...env, LC_ALL: LOCALE } });
  }

  /** Starts a shell with job control in a window. `folder`: of its socket. */
  static async open(
    folder: string,
    { columns, rows, env }: { columns: number; rows: number; env: Record<string, string> },
  ): Promise<Tmux> {
    await using stack = new AsyncDisposableStack();
    const tmux = stack.use(new Tmux(`${folder}/tmux.sock`, env));
    const shell = ["env", "PS1=$ ", "HISTFILE=", "bash", "--norc", "--noprofile", "-i"];
    const size = ["-x", String(columns), "-y", String(rows)];
    await tmux.#begin(["new-session", "-d", ...size, ...shell], env);
    stack.move();
    return tmux;
  }

  /** Waits until the server takes the first command. */
  async #begin(args: readonly string[], env: Record<string, string>): Promise<void> {
    for (const deadline = performance.now() + WAIT_MS;;) {
      const { code, stderr } = await this.#run(args, env);
      if (code === 0) return;
      assert(performance.now() < deadline, `tmux: ${stderr}${this.#server.output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #call(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args, {});
    assert.equal(code, 0, `tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** No other server is started. */
  #run(args: readonly string[], env: Record<string, string>): Promise<RunResult> {
    const all = ["-N", "-u", "-S", this.#socket, ...args];
    return run("tmux", all, { env: { ...env, LC_ALL: LOCALE } });
  }

  async type(line: string): Promise<void> {
    await this.#call(["send-keys", "-l", line]);
    await this.press("Enter");
  }

  /** `key`: such as `C-c`. */
  async press(key: string): Promise<void> {
    await this.#call(["send-keys", key]);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#call(["resize-window", "-x", String(columns), "-y", String(rows)]);
  }

  /** Rows as they are shown, without the blanks and empty rows at their ends. */
  async rows(): Promise<string[]> {
    return (await this.#call(["capture-pane", "-p"])).trimEnd().split("\n");
  }

  /** Waits until the rows are as wanted, and returns them. */
  async until(isSo: (rows: readonly string[]) => boolean, what: string): Promise<string[]> {
    for (const deadline = performance.now() + WAIT_MS;;) {
      const rows = await this.rows();
      if (isSo(rows)) return rows;
      assert(performance.now() < deadline, `${what}:\n${rows.join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }
}
