import assert from "node:assert/strict";
import fc from "fast-check";
import { allCommands } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { environmentLayer, variableOf } from "./environment.ts";
import { commandHelp } from "./help.ts";
import type { Option, OptionTable } from "./option_table.ts";

const TABLE = {
  key: {
    names: ["key", "k"],
    kind: "string",
    metavar: "STRING",
    help: "",
    secret: true,
    variable: "TTUN_KEY",
  },
  permitOpen: { names: ["permit-open", "allow"], kind: "list", metavar: "CIDR", help: "" },
  once: { names: ["once"], kind: "boolean", help: "" },
} as const satisfies OptionTable;

function layer(variables: Record<string, string>): Record<string, readonly string[] | null> {
  const found = environmentLayer(TABLE, (name) => variables[name]);
  return Object.fromEntries(
    Array.from(found, ([key, texts]) => [key, texts?.map(({ text }) => text) ?? null]),
  );
}

Deno.test("each option of each command has a variable of its own, which its help tells", () => {
  for (const [name, command] of Object.entries(allCommands(COMMANDS))) {
    const options: Option[] = Object.values(command.options);
    const variables = options.map(variableOf).filter((variable) => variable !== null);
    assert.equal(new Set(variables).size, variables.length, name);
    const page = commandHelp(name, command).replaceAll(/\s+/g, " ");
    for (const variable of variables) {
      assert.match(variable, /^TTUN_[A-Z0-9_]+$/);
      assert.ok(page.includes(`env ${variable})`), `${name} ${variable}`);
    }
  }
  // Other commands' NAME is a client's name.
  assert.equal(variableOf(COMMANDS.down.options["name"]!), null);
  assert.equal(variableOf(COMMANDS.server.options["allow"]!), "TTUN_PERMIT_OPEN");
});

Deno.test("values of a list stand apart by white space, or each on a line", () => {
  assert.deepEqual(layer({ TTUN_PERMIT_OPEN: " a  b\tc " }), { permitOpen: ["a", "b", "c"] });
  assert.deepEqual(layer({ TTUN_PERMIT_OPEN: "unix:/a b\n c \n" }), {
    permitOpen: ["unix:/a b", "c"],
  });
});

Deno.test("other variables and empty ones are no options; a secret is left where it is", () => {
  assert.deepEqual(layer({ TTUN_ALLOW: "a", TTUN_ONCE: "", TTUN_KEY: "n0body" }), { key: null });
  assert.deepEqual(layer({ TTUN_ONCE: "true" }), { once: ["true"] });
});

Deno.test("what the commands of --up and --down are told is no option of a ttun that they start", () => {
  assert.deepEqual(layer({ TTUN_ROLE: "client", TTUN_ONCE: "1" }), {});
});

Deno.test("any words come back as they were, in order", () => {
  const word = fc.string({ minLength: 1 }).filter((text) => !/\s/.test(text));
  fc.assert(fc.property(fc.array(word, { minLength: 1 }), (words) => {
    assert.deepEqual(layer({ TTUN_PERMIT_OPEN: words.join(" ") }), { permitOpen: words });
  }));
});
