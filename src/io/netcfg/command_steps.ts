import type { Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Configured } from "./linux.ts";

/** A system program and its arguments, run without a shell. */
export type CommandLine = readonly string[];

/** Exit code of a command and all its output. */
export interface Outcome {
  readonly code: number;
  readonly output: string;
}

/**
 * Runs a command to its end.
 * @throws {TtunError} if it cannot be started
 */
export type RunCommand = (command: CommandLine) => Outcome;

/** One command and its undo command. */
export interface Change {
  readonly run: CommandLine;
  readonly undo?: CommandLine;
  /** Output that means that the state exists already, which is accepted. */
  readonly fine?: RegExp;
}

/** Changes that belong together; `doing` completes the message "Cannot <doing>: …". */
export interface Step {
  readonly doing: string;
  readonly changes: readonly Change[];
  /** The address that the device has after the step. */
  readonly address?: Cidr;
  /** An error that is known without trying. */
  readonly refusal?: TtunError;
}

/** How to interpret the output of this system's commands. */
export interface Dialect {
  /** Returns true if the command failed; not every program says so with its exit code. */
  readonly failed: (outcome: Outcome) => boolean;
  readonly unprivileged: RegExp;
  readonly taken: RegExp;
  /** Advice to the user who lacks the privilege, such as "run ttun with sudo". */
  readonly advice: string;
  /** Formats the command as the user would type it. */
  readonly quote: (command: CommandLine) => string;
}

/**
 * Runs the steps, all or none: if one fails, the earlier ones are undone. The failure of an IPv6
 * address that was not requested explicitly is only a warning.
 * @throws {TtunError} privilege, in_use, system, usage: names the command that failed
 */
export function applySteps(
  steps: readonly Step[],
  o: { dialect: Dialect; run: RunCommand; addressesExplicit: boolean },
): Configured {
  const undo: CommandLine[] = [];
  const warnings: string[] = [];
  const addresses: Cidr[] = [];
  const takeBack = () => runUndo(undo, o.run);
  for (const step of steps) {
    const failure = applyStep(step, o, undo);
    if (failure === null) {
      if (step.address !== undefined) addresses.push(step.address);
    } else if (step.address?.family === 6 && !o.addressesExplicit) {
      warnings.push(failure.message);
    } else {
      takeBack();
      throw failure;
    }
  }
  return { changed: undo.length > 0, warnings, addresses, [Symbol.dispose]: takeBack };
}

/** Makes all changes of the step and returns null, or none of them and returns the reason. */
function applyStep(
  step: Step,
  o: { dialect: Dialect; run: RunCommand },
  undo: CommandLine[],
): TtunError | null {
  if (step.refusal !== undefined) return step.refusal;
  const done: CommandLine[] = [];
  for (const { run, undo: back, fine } of step.changes) {
    const failure = attempt(step.doing, run, o, fine);
    if (failure instanceof TtunError) {
      runUndo(done, o.run);
      return failure;
    }
    if (failure === "done" && back !== undefined) done.push(back);
  }
  undo.push(...done);
  return null;
}

function attempt(
  doing: string,
  command: CommandLine,
  { dialect, run }: { dialect: Dialect; run: RunCommand },
  fine: RegExp | undefined,
): "done" | "fine" | TtunError {
  let outcome: Outcome;
  try {
    outcome = run(command);
  } catch (thrown) {
    if (thrown instanceof TtunError) return thrown;
    throw thrown;
  }
  if (!dialect.failed(outcome)) return "done";
  if (fine?.test(outcome.output) === true) return "fine";
  const text = dialect.quote(command);
  if (dialect.unprivileged.test(outcome.output)) {
    return new TtunError(
      "privilege",
      `Cannot ${doing}: no privilege for it; ${dialect.advice} (${text})`,
    );
  }
  if (dialect.taken.test(outcome.output)) {
    return new TtunError("in_use", `Cannot ${doing}: it is there already (${text})`);
  }
  const said = outcome.output.trim().replaceAll(/\s+/g, " ");
  const why = said === "" ? `it ended with status ${outcome.code}` : said;
  return new TtunError("system", `Cannot ${doing}: ${text} says: ${why}`);
}

/** Undoes changes in reverse order. Failures are ignored: what is gone needs no undoing. */
function runUndo(undo: CommandLine[], run: RunCommand): void {
  for (const command of undo.splice(0).reverse()) {
    try {
      run(command);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
    }
  }
}

/** Runs a command and blocks this thread until it ends, as all set-up does. */
export function runCommand([program, ...args]: CommandLine): Outcome {
  try {
    const { code, stdout, stderr } = new Deno.Command(program!, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).outputSync();
    const text = new TextDecoder();
    return { code, output: `${text.decode(stderr)}\n${text.decode(stdout)}` };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      throw new TtunError(
        "privilege",
        `Cannot run ${program}: Deno was started without --allow-run=${program}; ` +
          "run with -A or add that flag",
        { cause },
      );
    }
    throw new TtunError("system", `Cannot run ${program}: it cannot be started`, { cause });
  }
}
