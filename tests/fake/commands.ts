import type { CommandLine, Outcome, RunCommand, Step } from "../../src/io/netcfg/command_steps.ts";

/** A system whose commands only say that they were run. */
export class FakeCommands {
  readonly lines: string[] = [];
  /** Outcomes of commands with these words in them; others print nothing. */
  readonly answers: { words: string; outcome: Outcome }[] = [];

  readonly run: RunCommand = (command) => {
    const line = command.join(" ");
    this.lines.push(line);
    return this.answers.find(({ words }) => line.includes(words))?.outcome ??
      { code: 0, output: "" };
  };

  answer(words: string, code: number, output: string): this {
    this.answers.push({ words, outcome: { code, output } });
    return this;
  }
}

/** The command lines of steps, each as one line. */
export function linesOf(steps: readonly Step[]): string[] {
  const text = (command: CommandLine) => command.join(" ");
  return steps.flatMap(({ changes }) => changes.map(({ run }) => text(run)));
}
