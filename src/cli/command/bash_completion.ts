import { allCommands, type Command, type Commands } from "./command.ts";
import { spellings } from "./help.ts";
import {
  furtherOf,
  type Group,
  groupsOf,
  helpWordsOf,
  indent,
  optionsOf,
  programsOf,
  type Value,
  valueOf,
  wordsOf,
} from "./words.ts";

/** Works with bash 3.2 (macOS), which has no mapfile. */
export function bashCompletion(commands: Commands): string {
  return `# bash completion for ttun(1), by: ttun completions bash
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
${furtherOf(commands).map((group) => indent(bashFurther(group), 4)).join("\n")}
  esac
  case $command in
${Object.entries(allCommands(commands)).map((entry) => indent(bashCommand(...entry), 4)).join("\n")}
    help) _ttun_words "${helpWordsOf(commands).join(" ")}" "$cur" ;;
${groupsOf(commands).map((group) => indent(bashGroupHelp(group), 4)).join("\n")}
  esac
}

complete -F _ttun ttun
${programsOf(commands).map(bashProgram).join("")}`;
}

/** Completes a link to ttun whose name stands for a group. */
function bashProgram({ program, group }: { program: string; group: string }): string {
  return `
_ttun_as_${program}() {
  COMP_WORDS=(ttun ${group} "\${COMP_WORDS[@]:1}")
  ((COMP_CWORD += 1))
  _ttun
}

complete -F _ttun_as_${program} ${program}
`;
}

function bashGroupHelp({ name, commands }: Group): string {
  return `"${name} help") _ttun_words "${helpWordsOf(commands).join(" ")}" "$cur" ;;`;
}

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

/** The word behind it is one of the further commands or an option. */
function bashFurther({ name, spelled, commands }: Group): string {
  const words = Object.keys(commands);
  return [
    `${spelled.join(" | ")})`,
    `  command=${name}`,
    "  if ((COMP_CWORD == 2)) && [[ $cur != -* ]]; then",
    `    _ttun_words "${words.join(" ")}" "$cur"`,
    "    return",
    "  fi",
    `  case \${COMP_WORDS[2]} in`,
    `    ${words.join(" | ")}) command="${name} \${COMP_WORDS[2]}" ;;`,
    "  esac",
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

/** Returns "" if no value can be completed, null if the option has none. */
function bashAction(value: Value): string | null {
  switch (value.kind) {
    case "none":
      return null;
    case "words":
      return `_ttun_words "${value.words.join(" ")}" "$cur"`;
    case "beginnings":
      return `compopt -o nospace 2>/dev/null; _ttun_words "${value.words.join(" ")}" "$cur"`;
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
