/**
 * What bash, zsh and fish complete behind `ttun`, from the tables of commands and options.
 * `deno run release/completions.ts bash|zsh|fish` prints it.
 */
import { COMMANDS } from "../src/cli/commands.ts";
import { spellings } from "../src/cli/help.ts";
import type { Option } from "../src/cli/option_table.ts";
import { type Commands, HELP_OPTION, OTHER_WORDS } from "./option_groups.ts";

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

function optionsOf(commands: Commands, name: string): Option[] {
  return [...Object.values<Option>(commands[name]!.options), HELP_OPTION];
}

/** For bash 3.2 as well, which macOS has: it knows no mapfile. */
export function bashCompletion(commands: Commands = COMMANDS): string {
  const first = [...Object.keys(commands), ...Object.keys(OTHER_WORDS), "--help", "--version"];
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
    _ttun_words "${first.join(" ")}" "$cur"
    return
  fi
  case \${COMP_WORDS[1]} in
${Object.keys(commands).map((name) => indent(bashCommand(commands, name), 4)).join("\n")}
    help) _ttun_words "${Object.keys(commands).join(" ")}" "$cur" ;;
  esac
}

complete -F _ttun ttun
`;
}

function bashCommand(commands: Commands, name: string): string {
  const options = optionsOf(commands, name);
  const all = options.flatMap(spellings);
  const oneDash = all.filter((word) => word.startsWith("--")).map((word) => word.slice(1));
  const values = options.map((option) => [spellings(option), bashAction(valueOf(option))] as const);
  const free = values.flatMap(([names, action]) => action === "" ? names : []);
  const cases = values.filter(([, action]) => action)
    .map(([names, action]) => `    ${names.join(" | ")}) ${action}; return ;;`);
  return [
    `${name})`,
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
  const words = [
    ...Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
    ...Object.entries(OTHER_WORDS),
  ];
  const cases = Object.keys(commands).map((name) => {
    const specs = optionsOf(commands, name).flatMap(zshSpecs);
    return `    ${name})\n      _arguments ${specs.join(" \\\n        ")}\n      ;;`;
  });
  return `#compdef ttun
# zsh completion for ttun(1): made by release/completions.ts

_ttun() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
${words.map(([name, help]) => `    ${shellWord(`${name}:${help}`)}`).join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  # The options are looked for as if the command were the program.
  shift words
  ((CURRENT--))
  case $words[1] in
${cases.join("\n")}
    help)
      ((CURRENT == 2)) && _describe command commands
      ;;
  esac
}

_ttun "$@"
`;
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
  const names = Object.keys(commands);
  const lines = [
    "# fish completion for ttun(1): made by release/completions.ts",
    "complete -c ttun -f",
    ...Object.entries(commands).map(([name, { summary }]) => fishWord(name, summary)),
    ...Object.entries(OTHER_WORDS).map(([word, help]) => fishWord(word, help)),
    `complete -c ttun -n '__fish_seen_subcommand_from help' -a '${names.join(" ")}'`,
    ...names.flatMap((name) => optionsOf(commands, name).map((option) => fishOption(name, option))),
  ];
  return lines.join("\n") + "\n";
}

function fishWord(word: string, help: string): string {
  return `complete -c ttun -n __fish_use_subcommand -a ${word} -d ${fishQuoted(help)}`;
}

function fishOption(command: string, option: Option): string {
  const names = option.names.map((name) => name.length === 1 ? `-s ${name}` : `-l ${name}`);
  const value = fishValue(valueOf(option));
  return [
    `complete -c ttun -n '__fish_seen_subcommand_from ${command}'`,
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
