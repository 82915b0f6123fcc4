import type { Cidr } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Configured } from "./linux.ts";

/** A program and its arguments, run without a shell. */
export type CommandLine = readonly string[];

export interface Outcome {
  readonly code: number;
  /** Standard error and standard output. */
  readonly output: string;
  /** Standard output alone. */
  readonly stdout?: string;
}

/** Blocks until the command ends. @throws {TtunError} if it cannot be started */
export type RunCommand = (command: CommandLine) => Outcome;

export interface Change {
  readonly run: CommandLine;
  readonly undo?: CommandLine;
  /** Output that is accepted, as the state exists already. */
  readonly fine?: RegExp;
}

/** Changes that belong together; `doing` completes "Cannot <doing>: …". */
export interface Step {
  readonly doing: string;
  readonly changes: readonly Change[];
  readonly address?: Cidr;
  /** An error that is known without trying. */
  readonly refusal?: TtunError;
}

export interface Dialect {
  /** Not every program tells a failure by its exit code. */
  readonly failed: (outcome: Outcome) => boolean;
  readonly unprivileged: RegExp;
  readonly taken: RegExp;
  /** Advice for a user who lacks the privilege, such as "run ttun with sudo". */
  readonly advice: string;
  readonly quote: (command: CommandLine) => string;
}

/**
 * Runs all steps or none: a failure undoes the earlier ones. For an IPv6 address that was not
 * requested explicitly it is only a warning.
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

/** Makes all changes and returns null, or none and returns the reason. */
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

/** Ignores failures: what is gone needs no undoing. */
function runUndo(undo: CommandLine[], run: RunCommand): void {
  for (const command of undo.splice(0).reverse()) {
    try {
      run(command);
    } catch (error) {
      if (!(error instanceof TtunError)) throw error;
    }
  }
}

/** Signals that a terminal sends to all programs of its foreground, and systemd to all of a unit. */
const SHARED_SIGNALS: readonly (string | null)[] = ["SIGHUP", "SIGINT", "SIGTERM"];

/** Each Ctrl-C may end a program once; what always ends so is no victim of one. */
const MOST_RUNS = 3;

/**
 * Runs a program to its end, and again if a signal has ended it that was for ttun: half a change is
 * no state to go on with, nor to end with.
 */
export function runCommand(command: CommandLine): Outcome {
  for (let run = 1;; run++) {
    const { code, signal, stdout, stderr } = runOnce(command);
    if (SHARED_SIGNALS.includes(signal) && run < MOST_RUNS) continue;
    const [said, printed] = [stderr, stdout].map((bytes) => new TextDecoder().decode(bytes));
    return { code, output: `${said}\n${printed}`, stdout: printed! };
  }
}

/** Folders of the system's own programs: an executable of ttun may run those that are there. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** One that may not be run where PATH has it is the system's own. */
function runOnce(command: CommandLine): Deno.CommandOutput {
  const [program, ...args] = command;
  try {
    return start(program!, args);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotCapable)) throw notStarted(program!, cause);
    for (const folder of program!.includes("/") ? [] : SYSTEM_FOLDERS) {
      try {
        return start(`${folder}/${program}`, args);
      } catch {
        // it is not there, or may not be run there either
      }
    }
    throw notAllowed(program!, cause);
  }
}

function start(program: string, args: string[]): Deno.CommandOutput {
  return new Deno.Command(program, { args, stdin: "null", stdout: "piped", stderr: "piped" })
    .outputSync();
}

function notStarted(program: string, cause: unknown): TtunError {
  return new TtunError("system", `Cannot run ${program}: it cannot be started`, { cause });
}

function notAllowed(program: string, cause: unknown): TtunError {
  const why = Deno.build.standalone
    ? `it is in none of ${SYSTEM_FOLDERS.join(", ")}, whose programs alone this executable may run`
    : `Deno was started without --allow-run=${program}; run with -A or add that flag`;
  return new TtunError("privilege", `Cannot run ${program}: ${why}`, { cause });
}
