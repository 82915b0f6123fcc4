/** Programs at the ends of a transfer, and what they take. */
import type { Host, Process } from "../../netns.ts";
import * as proc from "../../proc.ts";

/** A transfer that runs. */
export interface Ends extends AsyncDisposable {
  /** When the last end was started: milliseconds of `performance.now()`. */
  readonly begun: number;
  /** Where the bytes arrive; null = nowhere that one could look at. */
  readonly output: string | null;
  /** The process that writes what has come; undefined until it is there. */
  receiverPid(): number | undefined;
  /** Settles when all has arrived and the programs have ended. @throws where one has failed */
  readonly ended: Promise<void>;
  /** CPU seconds of all programs of both ends, once these have ended. */
  cpuSeconds(): Promise<number>;
}

/** An end's files, which are its standard input and output. */
export interface Redirects {
  /** Null leaves the input open, without a byte. */
  readonly input: string | null;
  readonly output: string;
}

/** Tells the program's process, and at its end what it and its children took. */
const SCRIPT = `
  [ -z "$IN" ] || exec <"$IN"
  exec >"$OUT"
  code=0
  setpriv --pdeathsig KILL -- sh -c 'echo "program $$" >&2; exec "$@"' sh "$@" || code=$?
  times >&2
  exit $code`;

const READY_MS = 30_000;

/** One end: a program with its files, whose time is counted. */
export class End {
  readonly process: Process;

  constructor(
    host: Host,
    command: readonly string[],
    { input, output }: Redirects,
    env: Record<string, string> = {},
  ) {
    this.process = host.spawn("bash", ["-c", SCRIPT, "bash", ...command], {
      env: { ...env, IN: input ?? "", OUT: output },
      ...(input === null && { stdin: "piped" as const }),
    });
  }

  get pid(): number | undefined {
    const found = /^program (\d+)$/m.exec(this.process.stderr);
    return found === null ? undefined : Number(found[1]);
  }

  waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    return this.process.waitFor(pattern, READY_MS);
  }

  async expectSuccess(): Promise<void> {
    const { code } = await this.process.status;
    await this.process.closed;
    if (code !== 0) throw new Error(`an end failed with code ${code}: ${this.process.output}`);
  }

  /** Of the program and its children, from bash's `times`. */
  get cpuSeconds(): number {
    const times = [...this.process.stderr.matchAll(/(\d+)m(\d+\.\d+)s/g)].slice(-2);
    if (times.length < 2) throw new Error(`times told nothing: ${this.process.stderr}`);
    return times.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + +seconds!, 0);
  }
}

/** A program at each end, both of which end by themselves; the one that waits receives. */
export async function twoEnds(
  waiting: End,
  startOther: () => End,
  output: string | null,
): Promise<Ends> {
  await using cleanup = new AsyncDisposableStack();
  cleanup.use(waiting.process);
  const begun = performance.now();
  const other = startOther();
  cleanup.use(other.process);
  const ended = Promise.all([other.expectSuccess(), waiting.expectSuccess()]).then(() => {});
  ended.catch(() => {}); // awaited later
  const kept = cleanup.move();
  return {
    begun,
    output,
    ended,
    receiverPid: () => waiting.pid,
    cpuSeconds: () => Promise.resolve(waiting.cpuSeconds + other.cpuSeconds),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Waits until somebody listens there. */
export async function untilListening(host: Host, port: number): Promise<void> {
  await host.sh(`
    tries=0
    until ss -Hltn "sport = :${port}" | grep -q .; do
      tries=$((tries + 1))
      [ $tries -lt 600 ]
      sleep 0.05
    done`);
}

/** CPU seconds of a server's children that have ended; waits until all have. */
export async function childrenSeconds(pid: number): Promise<number> {
  while (proc.hasChildren(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  return proc.childrenSeconds(pid);
}
