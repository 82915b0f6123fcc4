import assert from "node:assert/strict";
import manifest from "../../../deno.json" with { type: "json" };
import { EXIT_CODES } from "../../base/errors.ts";
import { allCommands, defineCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { listings, spellings } from "./help.ts";
import type { Option } from "./option_table.ts";
import { missing } from "../../../release/here.ts";
import { manPage } from "./man_page.ts";
import { outputOf } from "../../../release/tool.ts";

const noGroff = missing("groff", "how the manual page looks");

/** The page as a terminal shows it, in one line so that words are found wherever it breaks. */
async function shown(page: string): Promise<string> {
  // Neither bold nor hyphenated.
  const plain = page.replace(/^\.TH .*$/m, "$&\n.nh\n.ad l");
  const input = new TextEncoder().encode(plain);
  const bytes = await outputOf("groff", ["-Tascii", "-P-cbou", "-man"], { input });
  return new TextDecoder().decode(bytes).replace(/\s+/g, " ");
}

/** Returns groff's warnings about a page. */
async function warnings(page: string): Promise<string> {
  const child = new Deno.Command("sh", {
    args: ["-c", 'printf %s "$1" | groff -Tutf8 -man -ww 2>&1 >/dev/null', "sh", page],
  });
  return new TextDecoder().decode((await child.output()).stdout);
}

Deno.test({
  name: "groff has nothing against the manual page",
  ignore: noGroff !== null,
  async fn() {
    assert.equal(await warnings(manPage(COMMANDS)), "");
    assert.match(await warnings(manPage(COMMANDS) + ".nonsense\n"), /nonsense/);
  },
});

Deno.test({
  name: "the manual page has every command, option, exit code and variable",
  ignore: noGroff !== null,
  async fn() {
    const text = await shown(manPage(COMMANDS));
    for (const { name, summary, example } of listings(COMMANDS)) {
      assert(text.includes(` ${name} ${summary} `), name);
      assert(text.includes(example), name);
    }
    for (const command of Object.values(allCommands(COMMANDS))) {
      for (const option of Object.values<Option>(command.options)) {
        const metavar = "metavar" in option ? ` ${option.metavar}` : "";
        assert(
          text.includes(` ${spellings(option).join(", ")}${metavar} ${option.help}`),
          option.help,
        );
        if (option.kind !== "choice") continue;
        assert(text.includes(`one of ${option.choices.join(", ")}`), option.help);
      }
    }
    assert(text.includes(COMMANDS.proxy.about));
    assert(text.includes(" Of server, client, proxy server and proxy client "));
    for (const { code, meaning } of Object.values(EXIT_CODES)) {
      assert(text.includes(` ${code} ${meaning} `), meaning);
    }
    const environment = text.slice(text.indexOf(" ENVIRONMENT "), text.indexOf(" FILES "));
    const permissions = Object.values<{ env?: string[] }>(manifest.permissions);
    for (const name of permissions.flatMap(({ env }) => env ?? [])) {
      assert.match(environment, new RegExp(`\\b${name}\\b`));
    }
  },
});

Deno.test({
  name: "text that looks like roff is text",
  ignore: noGroff !== null,
  async fn() {
    const odd = defineCommand({
      summary: '.SH is no request, \'nor .this; \\fB is a backslash — and "quoted"',
      example: "'ttun' odd --path C:\\x ~/`x`^",
      options: {},
      run: () => Promise.resolve(0),
    });
    const page = manPage({ odd });
    assert.equal(await warnings(page), "");
    const text = await shown(page);
    assert(text.includes(odd.example), text);
    assert(text.includes(odd.summary.replace("—", "--")), text);
    assert.throws(() => manPage({ odd: { ...odd, summary: "\u{1f600}" } }), /Cannot write/);
  },
});
