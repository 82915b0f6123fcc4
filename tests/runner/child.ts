/** One program of the test run, with a time limit: its output goes where ours goes. */

const KILL_AFTER_MS = 5000;

export interface ChildOptions {
  minutes: number;
  env: Record<string, string>;
  /** Ends the program as well. */
  signal: AbortSignal;
  /** A file for its output, of which nothing is shown then. */
  outputTo?: string;
}

/** Runs a program to its end, or ends it (and it alone) when its time is over. Returns its code. */
export async function runChild(
  command: string,
  args: readonly string[],
  { minutes, env, signal, outputTo }: ChildOptions,
): Promise<number> {
  signal.throwIfAborted();
  const child = outputTo === undefined
    ? new Deno.Command(command, { args: [...args], env, stdin: "null" }).spawn()
    : new Deno.Command("sh", {
      args: ["-c", 'to=$1; shift; exec "$@" >"$to" 2>&1', "sh", outputTo, command, ...args],
      env,
      stdin: "null",
    }).spawn();
  let ended = false;
  let killer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    if (ended) return;
    child.kill("SIGTERM");
    killer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  };
  const timer = setTimeout(() => {
    console.log(`Ended after ${minutes} minutes: ${command} ${args.slice(0, 3).join(" ")} …`);
    end();
  }, minutes * 60_000);
  signal.addEventListener("abort", end);
  try {
    return (await child.status).code;
  } finally {
    ended = true;
    clearTimeout(timer);
    clearTimeout(killer);
    signal.removeEventListener("abort", end);
  }
}

/** Output of a program, or null if it is not installed or fails. */
export async function textOf(command: string, args: string[]): Promise<string | null> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
