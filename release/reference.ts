import { allCommands } from "../src/cli/command/command.ts";
import { COMMANDS } from "../src/cli/command/commands.ts";
import { ENVIRONMENT, FILES } from "../src/cli/command/man_page.ts";
import {
  EXIT_MEANINGS,
  listings,
  OPTION_RULES,
  optionFacts,
  spellings,
} from "../src/cli/command/help.ts";
import { type Option, OPTION_GROUPS } from "../src/cli/command/option_table.ts";
import { outputOf } from "./tool.ts";

/** The page's file. */
export const REFERENCE = new URL("../docs/reference.md", import.meta.url);

/** The page of all commands, options, exit codes, variables and files, from the program's own tables. */
export function referencePage(): string {
  return [
    "# Reference",
    "Made by `deno task reference` from the tables that `ttun --help` is printed from.",
    "## Commands",
    table(["command", "what it does"], listings(COMMANDS).map((c) => [`\`${c.name}\``, c.summary])),
    OPTION_RULES.join(" "),
    ...Object.entries(allCommands(COMMANDS)).flatMap(([name, command]) => [
      `## ttun ${name}`,
      `${sentence(command.summary)} Example: \`${command.example}\``,
      ...byGroup(Object.values<Option>(command.options)).flatMap(([title, some]) => [
        `### ${title}`,
        table(["option", "what it does"], some.map(optionRow)),
      ]),
    ]),
    "## Exit codes",
    table(["code", "meaning"], EXIT_MEANINGS),
    "## Environment",
    table(["variable", "meaning"], ENVIRONMENT.map(([name, text]) => [code(name), text])),
    "## Files",
    table(["file", "meaning"], FILES.map(([name, text]) => [code(name), text])),
  ].join("\n\n") + "\n";
}

function byGroup(options: readonly Option[]): [string, Option[]][] {
  return Object.entries(OPTION_GROUPS)
    .map(([name, title]): [string, Option[]] => [
      title,
      options.filter(({ group = "basic" }) => group === name),
    ])
    .filter(([, some]) => some.length > 0);
}

function optionRow(option: Option): [string, string] {
  const metavar = "metavar" in option ? ` ${option.metavar}` : "";
  const facts = optionFacts(option, (choices) => `one of ${choices.join(", ")}`);
  const help = option.help.replaceAll("*", "\\*"); // two stars would set what is between them in italics
  const meaning = `${help}${facts.length === 0 ? "" : ` (${facts.join("; ")})`}`;
  return [spellings(option).map((name) => `\`${name}${metavar}\``).join(", "), meaning];
}

function sentence(words: string): string {
  return `${words[0]!.toUpperCase()}${words.slice(1)}.`;
}

/** `a, b` becomes `` `a`, `b` ``. */
function code(names: string): string {
  return names.split(", ").map((name) => `\`${name}\``).join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Formats markdown by `deno fmt`. @throws {Error} when that fails */
export async function formatted(markdown: string): Promise<string> {
  const args = ["fmt", "--quiet", "--ext", "md", "--line-width", "100", "-"];
  const input = new TextEncoder().encode(markdown);
  return new TextDecoder().decode(await outputOf(Deno.execPath(), args, { input }));
}

if (import.meta.main) await Deno.writeTextFile(REFERENCE, await formatted(referencePage()));
