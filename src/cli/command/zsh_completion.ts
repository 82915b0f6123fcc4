import { type Command, type Commands, isGroup } from "./command.ts";
import { spellings, TOPICS } from "./help.ts";
import type { Option } from "./option_table.ts";
import { indent, optionsOf, OTHER_WORDS, programsOf, type Value, valueOf } from "./words.ts";

/** Returns a script for a file of zsh's fpath or for eval. */
export function zshCompletion(commands: Commands): string {
  const programs = programsOf(commands);
  const names = ["ttun", ...programs.map(({ program }) => program)].join(" ");
  return `#compdef ${names}
# zsh completion for ttun(1), by: ttun completions zsh

_ttun() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands topics
  # A link by such a name is the group.
  case $service in
${programs.map((program) => indent(zshProgram(program), 4)).join("\n")}
  esac
${indent(zshLevel(commands), 2)}
}

# Of fpath the first call is for completions; evaluated by a shell, it is there for later.
if [[ $funcstack[1] == _ttun ]]; then
  _ttun "$@"
else
  compdef _ttun ${names}
fi
`;
}

function zshProgram({ program, group }: { program: string; group: string }): string {
  return `${program}) words=(ttun ${group} "\${(@)words[2,-1]}"); ((CURRENT++)) ;;`;
}

function zshLevel(commands: Commands): string {
  const words = [
    ...Object.entries(commands).map(([name, { summary }]) => [name, summary] as const),
    ...Object.entries(OTHER_WORDS),
  ];
  const cases = Object.entries(commands).map(([name, found]) =>
    isGroup(found)
      ? `${[name, ...found.aliases].join(" | ")})\n${indent(zshLevel(found.commands), 2)}\n  ;;`
      : `${[name, ...found.aliases].join(" | ")})\n${indent(zshCommand(found), 2)}\n  ;;`
  );
  const topics = Object.entries(TOPICS).map(([name, { summary }]) => [name, summary] as const);
  return `commands=(
${zshDescriptions(words)}
)
topics=(
${zshDescriptions(topics)}
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
    ((CURRENT == 2)) && _describe command commands -- topics
    ;;
esac`;
}

function zshCommand(command: Command): string {
  const own = `_arguments ${optionsOf(command).flatMap(zshSpecs).join(" \\\n  ")}`;
  const further = Object.entries(command.further);
  if (further.length === 0) return own;
  const cases = further.map(([name, one]) =>
    `${name})\n  shift words\n  ((CURRENT--))\n${indent(zshCommand(one), 2)}\n  ;;`
  );
  const words = further.map(([name, { summary }]) => [name, summary] as const);
  return `commands=(
${zshDescriptions(words)}
)
case $words[2] in
${indent(cases.join("\n"), 2)}
  *)
    ((CURRENT == 2)) && [[ $words[2] != -* ]] && _describe command commands
${indent(own, 4)}
    ;;
esac`;
}

function zshDescriptions(words: readonly (readonly [string, string])[]): string {
  return words.map(([name, help]) => `  ${shellWord(`${name}:${help}`)}`).join("\n");
}

/** Returns one specification per spelling; `(…)` lists what it excludes. */
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
    case "beginnings":
      return `compadd -S "" -- ${value.words.map(zshText).join(" ")}`;
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

function shellWord(plain: string): string {
  return `'${plain.replaceAll("'", "'\\''")}'`;
}
