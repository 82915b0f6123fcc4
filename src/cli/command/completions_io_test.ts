import assert from "node:assert/strict";
import { allCommands } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { spellings } from "./help.ts";
import { COMPLETIONS } from "./completions.ts";
import { missing } from "../../../release/here.ts";

type Shell = keyof typeof COMPLETIONS;

/** Prints what each shell has for the lines behind $1, the script's file, and === behind each. */
const ASK: Record<Shell, string> = {
  // Completes like readline, with its word breaks.
  bash: `
    source "$1"
    for line in "\${@:2}"; do
      mapfile -t COMP_WORDS < <(grep -oE '=|[^ =]+' <<<"$line")
      [[ $line == *" " ]] && COMP_WORDS+=("")
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      [[ $(complete -p "\${COMP_WORDS[0]}") =~ ' -F '([^ ]+) ]] && "\${BASH_REMATCH[1]}"
      printf '%s\\n' "\${COMPREPLY[@]}" ===
    done`,
  // On a terminal of its own, where each match is told before it is inserted.
  zsh: `
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PROMPT=; fpath=(\${1:h} \\$fpath); autoload -U compinit; compinit -u -D"
    zpty -w shell 'compadd() {
      local -a found
      if [[ " $* " != *" -"[OAD]" "* ]]; then
        builtin compadd -A found "$@"
        print -rl -- "<\${(@)^found}>"
      fi
      builtin compadd "$@"
    }'
    zpty -w shell 'tell() { print "<=""==>"; zle kill-whole-line }; zle -N tell; bindkey "^G" tell'
    zpty -w shell 'print rea""dy'
    zpty -m -r shell told '*ready*'
    for line in "\${@:2}"; do
      zpty -w -n shell "$line"$'\\t\\a'
      zpty -m -r shell told '*<===>*'
      print -r -- "$told" | grep -oE '<[^<>]+>' | tr -d '<>'
    done`,
  fish: `
    source $argv[1]
    for line in $argv[2..]
      complete -C $line | string split -f1 \\t
      echo ===
    end`,
};

/** Returns the completions of a shell for each line, in a folder with `_ttun` only. */
async function complete(shell: Shell, ...lines: string[]): Promise<string[][]> {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/_ttun`;
    await Deno.writeTextFile(file, COMPLETIONS[shell](COMMANDS));
    const { stdout, stderr } = await new Deno.Command(shell, {
      args: shell === "fish"
        ? ["-N", "-c", ASK[shell], file, ...lines]
        : [shell === "bash" ? "--norc" : "-f", "-c", ASK[shell], shell, file, ...lines],
      stdin: "null",
      cwd: folder,
      env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder },
      signal: AbortSignal.timeout(30_000),
    }).output();
    const [told, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.equal(errors, "");
    const blocks = told!.split(/^===\n/m).slice(0, -1);
    assert.equal(blocks.length, lines.length, told);
    return blocks.map((block) => [...new Set(block.split("\n").filter(Boolean))].sort());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Lines, and all that may come behind each. */
const COMMON: Record<string, string[]> = {
  "ttun se": ["send", "server", "service"],
  "ttun service un": ["uninstall"],
  "ttun service logs --fol": ["--follow"],
  "ttun server --wir": ["--wire"],
  "ttun server --wire ": ["auto", "v1", "v2"],
  "ttun client --once --log-format j": ["json"],
  "ttun help gen": ["genkey"],
  "ttun server --key-file _t": ["_ttun"],
  "ttun server --mtu ": [],
  "ttun client --clie": [],
  "ttun client -s uni": ["unix:///"],
  "ttun server --listen tc": ["tcp://"],
  "ttun server --user roo": ["root"],
  "ttun peer li": ["listen"],
  "ttun peer --my": ["--my-ip", "--myip"],
  "ttun peer listen --tt": ["--ttl"],
  "ttun peer connect --wir": [],
  "tete con": ["connect"],
  "ttun prox": ["proxy"],
  "ttun proxy se": ["server"],
  "ttun tt cl": ["client"],
  "ttun proxy server --port": ["--port-range"],
  "ttun proxy server --wir": ["--wire"],
  "ttun server --port": [],
  "ttun tt client --methods aes": ["aes-256-gcm"],
  "ttun proxy client --direct-file _t": ["_ttun"],
  "ttun help prox": ["proxy"],
  "ttun proxy help cl": ["client"],
  "ttun help exi": ["exit-codes"],
  "ttun completions f": ["fish"],
  "tt cl": ["client"],
  "tt client --methods aes": ["aes-256-gcm"],
  "tt server --wir": ["--wire"],
  "tt help cl": ["client"],
};

const BASH_ALONE: Record<string, string[]> = {
  "ttun server -wir": ["-wire"],
  "ttun server -wire ": ["auto", "v1", "v2"],
  "ttun server --wire=": ["auto", "v1", "v2"],
  "ttun server --wire=v": ["v1", "v2"],
  "ttun server -m a": ["aes-256-gcm", "auto"],
  "ttun server --mptcp=": [],
};

for (const shell of ["bash", "zsh", "fish"] as const) {
  Deno.test({
    name: `${shell} completes commands, options and their values`,
    ignore: missing(shell, `completion in ${shell}`) !== null,
    async fn() {
      const cases = { ...COMMON, ...(shell === "bash" ? BASH_ALONE : {}) };
      const found = await complete(shell, ...Object.keys(cases));
      assert.deepEqual(
        Object.fromEntries(Object.keys(cases).map((line, i) => [line, found[i]])),
        cases,
      );
    },
  });
}

Deno.test({
  name: "zsh takes the script from its start-up file as well",
  ignore: missing("zsh", "what zsh evaluates") !== null,
  async fn() {
    const script =
      'autoload -U compinit; compinit -u -D; eval "$1"; print $_comps[ttun] $_comps[tt]';
    const { stdout, stderr } = await new Deno.Command("zsh", {
      args: ["-f", "-c", script, "zsh", COMPLETIONS.zsh(COMMANDS)],
    }).output();
    const [told, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.deepEqual([told, errors], ["_ttun _ttun\n", ""]);
  },
});

Deno.test("bash completes every option of every command", async () => {
  const commands = Object.entries(allCommands(COMMANDS));
  const found = await complete("bash", ...commands.map(([name]) => `ttun ${name} -`));
  for (const [i, [, command]] of commands.entries()) {
    for (const option of Object.values(command.options)) {
      for (const spelled of spellings(option)) assert(found[i]!.includes(spelled), spelled);
    }
  }
});
