/**
 * What bash, zsh and fish complete behind `ttun`, from the tables of commands and options.
 * `deno run release/completions.ts bash|zsh|fish` prints it.
 */
import { allCommands, type Command, type Commands, isGroup } from "../src/cli/command.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { spellings } from "../src/cli/help.ts";
import type { Option } from "../src/cli/option_table.ts";
import { HELP_OPTION, OTHER_WORDS } from "./option_groups.ts";

/** What an option's value is, where a shell can list the possible ones. */
type Value =
  | { readonly kind: "none" }
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "file" | "user" | "command" | "free" };

function valueOf(option: Option): Value {
  if (option.kind === "boolean") return { kind: "none" };
  if (option.kind === "choice") return { kind: "words", words: option.choices };
  if (/^(FILE|DIR|PATH)$/.test(option.metavar)) return { kind: "file" };
  if (option.metavar === "CMD") return { kind: "command" };
  return { kind: option.names.includes("user") ? "user" : "free" };
}

function optionsOf(command: Command): Option[] {
  return [...Object.values<Option>(command.options), HELP_OPTION];
}

interface Group {
  readonly name: string;
  /** All words that stand for it. */
  readonly spelled: readonly string[];
  readonly commands: Commands;
}

function groupsOf(commands: Commands): Group[] {
  return Object.entries(commands).flatMap(([name, found]) =>
    isGroup(found) ? [{ name, spelled: [name, ...found.aliases], commands: found.commands }] : []
  );
}

/** What may stand in a command's place. */
function wordsOf(commands: Commands): string[] {
  return [...Object.keys(commands), ...Object.keys(OTHER_WORDS), "--help", "--version"];
}

/** For bash 3.2 as well, which macOS has: it knows no mapfile. */
export function bashCompletion(commands: Commands = COMMANDS): string {
  return `# bash completion for ttun(1): made by release/completions.ts
# shellcheck shell=bash disable=SC2207

_ttun_words() {
  local IFS=$' \\n'
  COMPREPLY=($(compgen -W "$1" -- "$2"))
}

# Names may have blanks.
_ttun_names() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$1" -- "$2"))
}

_ttun() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} assigned=
  COMPREPLY=()
  # "--wire=v" is three words to bash.
  if [[ $cur == = ]]; then
    cur='' assigned=1
  elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
    prev=\${COMP_WORDS[COMP_CWORD - 2]} assigned=1
  fi
  # One dash is as good as two.
  [[ $prev == -[!-]?* ]] && prev=-$prev
  if ((COMP_CWORD == 1)); then
    _ttun_words "${wordsOf(commands).join(" ")}" "$cur"
    return
  fi
  local command=\${COMP_WORDS[1]}
  case $command in
${groupsOf(commands).map((group) => indent(bashGroup(group), 4)).join("\n")}
  esac
  case $command in
${Object.entries(allCommands(commands)).map((entry) => indent(bashCommand(...entry), 4)).join("\n")}
    help) _ttun_words "${Object.keys(commands).join(" ")}" "$cur" ;;
${groupsOf(commands).map((group) => indent(bashGroupHelp(group), 4)).join("\n")}
  esac
}

complete -F _ttun ttun
`;
}

function bashGroupHelp({ name, commands }: Group): string {
  return `"${name} help") _ttun_words "${Object.keys(commands).join(" ")}" "$cur" ;;`;
}

/** The command is then two words. */
function bashGroup({ name, spelled, commands }: Group): string {
  return [
    `${spelled.join(" | ")})`,
    "  if ((COMP_CWORD == 2)); then",
    `    _ttun_words "${wordsOf(commands).join(" ")}" "$cur"`,
    "    return",
    "  fi",
    `  command="${name} \${COMP_WORDS[2]}"`,
    "  ;;",
  ].join("\n");
}

function bashCommand(name: string, command: Command): string {
  const options = optionsOf(command);
  const all = options.flatMap(spellings);
  const oneDash = all.filter((word) => word.startsWith("--")).map((word) => word.slice(1));
  const values = options.map((option) => [spellings(option), bashAction(valueOf(option))] as const);
  const free = values.flatMap(([names, action]) => action === "" ? names : []);
  const cases = values.filter(([, action]) => action)
    .map(([names, action]) => `    ${names.join(" | ")}) ${action}; return ;;`);
  return [
    `${name.includes(" ") ? `"${name}"` : name})`,
    ...(cases.length + free.length === 0 ? [] : [
      "  case $prev in",
      ...cases,
      ...(free.length === 0 ? [] : [`    ${free.join(" | ")}) return ;;`]),
      "  esac",
    ]),
    "  [[ -n $assigned ]] && return",
    "  case $cur in",
    `    -[!-]*) _ttun_words "${oneDash.join(" ")}" "$cur" ;;`,
    `    *) _ttun_words "${all.join(" ")}" "$cur" ;;`,
    "  esac",
    "  ;;",
  ].join("\n");
}

/** What completes such a value; empty where nothing can, null where there is no value. */
function bashAction(value: Value): string | null {
  switch (value.kind) {
    case "none":
      return null;
    case "words":
      return `_ttun_words "${value.words.join(" ")}" "$cur"`;
    case "file":
      return `compopt -o filenames 2>/dev/null; _ttun_names -f "$cur"`;
    case "user":
      return '_ttun_names -u "$cur"';
    case "command":
      return '_ttun_names -c "$cur"';
    case "free":
      return "";
  }
}

export function zshCompletion(commands: Commands = COMMANDS): string {
  return `#compdef ttun
# zsh completion for ttun(1): made by release/completions.ts

_ttun() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
${indent(zshLevel(commands), 2)}
}

_ttun "$@"
`;
}

/** What to do behind the word that leads to these commands. */
function zshLevel(commands: Commands): string {
  const words = [
    ...Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
    ...Object.entries(OTHER_WORDS),
  ];
  const cases = Object.entries(commands).map(([name, found]) =>
    isGroup(found)
      ? `${[name, ...found.aliases].join(" | ")})\n${indent(zshLevel(found.commands), 2)}\n  ;;`
      : `${name})\n  _arguments ${optionsOf(found).flatMap(zshSpecs).join(" \\\n    ")}\n  ;;`
  );
  return `commands=(
${words.map(([name, help]) => `  ${shellWord(`${name}:${help}`)}`).join("\n")}
)
if ((CURRENT == 2)); then
  _describe command commands
  return
fi
# The options are looked for as if the command were the program.
shift words
((CURRENT--))
case $words[1] in
${indent(cases.join("\n"), 2)}
  help)
    ((CURRENT == 2)) && _describe command commands
    ;;
esac`;
}

/** What _arguments takes, one for each spelling; `(…)` are those that it excludes. */
function zshSpecs(option: Option): string[] {
  const names = spellings(option);
  const once = option.kind === "list" ? "*" : `(${names.join(" ")})`;
  const action = zshAction(valueOf(option));
  const value = "metavar" in option ? `:${zshText(option.metavar)}:${action}` : "";
  return names.map((name) => shellWord(`${once}${name}[${zshText(option.help)}]${value}`));
}

function zshAction(value: Value): string {
  switch (value.kind) {
    case "words":
      return `(${value.words.join(" ")})`;
    case "file":
      return "_files";
    case "user":
      return "_users";
    case "command":
      return "_command_names -e";
    default:
      return " ";
  }
}

function zshText(plain: string): string {
  return plain.replace(/[\\[\]:]/g, "\\$&");
}

export function fishCompletion(commands: Commands = COMMANDS): string {
  const groups = groupsOf(commands);
  const grouped = groups.flatMap(({ spelled }) => spelled);
  const lines = [
    "# fish completion for ttun(1): made by release/completions.ts",
    "complete -c ttun -f",
    ...fishLevel(commands, "__fish_use_subcommand", grouped.length === 0 ? "" : not(grouped)),
    ...groups.flatMap(({ spelled, commands }) => {
      const isIn = seen(spelled);
      const first = `${isIn}; and ${not([...Object.keys(commands), ...Object.keys(OTHER_WORDS)])}`;
      return fishLevel(commands, first, isIn);
    }),
  ];
  return lines.join("\n") + "\n";
}

function seen(words: readonly string[]): string {
  return `__fish_seen_subcommand_from ${words.join(" ")}`;
}

function not(words: readonly string[]): string {
  return `not ${seen(words)}`;
}

/** `first`: whether a command's word comes next; `inside`: whether it is one of these. */
function fishLevel(commands: Commands, first: string, inside: string): string[] {
  const when = (word: string) => inside === "" ? seen([word]) : `${seen([word])}; and ${inside}`;
  const words = [
    ...Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
    ...Object.entries(OTHER_WORDS),
  ];
  return [
    ...words.map(([word, help]) =>
      `complete -c ttun -n ${fishQuoted(first)} -a ${word} -d ${fishQuoted(help)}`
    ),
    `complete -c ttun -n ${fishQuoted(when("help"))} -a '${Object.keys(commands).join(" ")}'`,
    ...Object.entries(commands).flatMap(([name, found]) =>
      isGroup(found) ? [] : optionsOf(found).map((option) => fishOption(when(name), option))
    ),
  ];
}

function fishOption(when: string, option: Option): string {
  const names = option.names.map((name) => name.length === 1 ? `-s ${name}` : `-l ${name}`);
  const value = fishValue(valueOf(option));
  return [
    `complete -c ttun -n ${fishQuoted(when)}`,
    ...names,
    ...(value === "" ? [] : [value]),
    `-d ${fishQuoted(option.help)}`,
  ].join(" ");
}

function fishValue(value: Value): string {
  switch (value.kind) {
    case "none":
      return "";
    case "words":
      return `-x -a '${value.words.join(" ")}'`;
    case "file":
      return "-r -F";
    case "user":
      return "-x -a '(__fish_complete_users)'";
    case "command":
      return "-x -a '(__fish_complete_command)'";
    case "free":
      return "-x";
  }
}

function fishQuoted(plain: string): string {
  return `'${plain.replace(/[\\']/g, "\\$&")}'`;
}

function shellWord(plain: string): string {
  return `'${plain.replaceAll("'", "'\\''")}'`;
}

function indent(lines: string, by: number): string {
  return lines.replace(/^/gm, " ".repeat(by));
}

export const COMPLETIONS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

if (import.meta.main) {
  const shell = Deno.args[0] ?? "";
  if (!(shell in COMPLETIONS)) {
    console.error(`Usage: deno run release/completions.ts ${Object.keys(COMPLETIONS).join("|")}`);
    Deno.exit(2);
  }
  const script = COMPLETIONS[shell as keyof typeof COMPLETIONS]();
  await Deno.stdout.write(new TextEncoder().encode(script));
}
