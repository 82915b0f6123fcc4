import assert from "node:assert/strict";
import fc from "fast-check";
import { completeArgs } from "../command/args.ts";
import { allCommands, fileCommands } from "../command/command.ts";
import { COMMANDS } from "../command/commands.ts";
import type { Option } from "../command/option_table.ts";
import { shownEntry } from "./command.ts";
import { fileOptions, readEntries, tableOf, whyIncomplete } from "./entries.ts";
import { exampleOf } from "./example.ts";
import { CONFIG_OPTIONS } from "./options.ts";
import { quote, tomlValue } from "./quote.ts";
import { configSchema } from "./schema.ts";

const FILES = fileCommands(COMMANDS);

function problems(...lines: string[]): string[] {
  return readEntries(lines.join("\n"), "x.toml", FILES).problems
    .map(({ line, message }) => `${line}: ${message}`);
}

function entry(...lines: string[]) {
  const { entries, problems } = readEntries(lines.join("\n"), "x.toml", FILES);
  assert.deepEqual(problems, []);
  return entries[0]!;
}

/** A value that the option takes, as a text of a command line. */
function goodText(option: Option): string {
  switch (option.kind) {
    case "boolean":
      return "true";
    case "integer":
      return String(option.max);
    case "choice":
      return option.choices.at(-1)!;
    case "string":
    case "list":
      return GOOD.find((text) => isGood(option, text)) ??
        assert.fail(`no value: ${option.names[0]}`);
  }
}

const GOOD = [
  "ab".repeat(32),
  "192.0.2.7",
  "admin@example.net",
  "https://ca.example.net/directory",
  "127.0.0.1:5000",
  "192.0.2.0/24",
  "2h",
  "8080",
  "8080:host:80",
  "host:80",
  "a-b.toml",
  "a=10.0.0.0/8",
  "1-2000",
  "node",
  "example.net",
];

function isGood(option: Extract<Option, { kind: "string" | "list" }>, text: string): boolean {
  try {
    option.parse?.(text);
    return true;
  } catch {
    return false;
  }
}

Deno.test("every option of every command that can stand in a file has its place there, and is read", () => {
  const outside = Object.entries(allCommands(COMMANDS))
    .filter(([, { options, isConfigurable }]) => Object.keys(options).length > 0 && !isConfigurable)
    .map(([name]) => name);
  assert.deepEqual(outside, [
    ...[
      "peer listen",
      "peer connect",
      "tox id",
      "tox nodes",
      "tox ssh",
      "mesh init",
      "mesh invite",
      "mesh join",
      "mesh leave",
      "mesh status",
      "mesh kv",
      "mesh token",
      "mesh revoke",
      "mesh rotate",
      "mesh enroll",
      "mesh names",
      "mesh password",
      "mesh access",
      "mesh connect",
      "mesh core",
      "send",
      "receive",
      "share",
      "key add",
      "key revoke",
      "key list",
      "device add",
      "device remove",
      "up",
      "down",
      "reload",
      "logs",
    ],
    ...["install", "uninstall", "start", "stop", "status", "logs"].map((word) => `service ${word}`),
    ...["config check", "config show", "config example"],
  ]);
  for (const [name, command] of Object.entries(FILES)) {
    const inFile = fileOptions(command);
    const missing = Object.keys(command.options).filter((key) => !Object.hasOwn(inFile, key));
    assert.deepEqual(missing, Object.keys(CONFIG_OPTIONS), name);
    for (const [key, option] of Object.entries(inFile)) {
      const text = goodText(option);
      const { layer } = entry(
        `[[${tableOf(name)}]]`,
        `${option.names[0]} = ${tomlValue(option, [text])}`,
      );
      assert.deepEqual(
        layer.get(key)?.map((one) => one.text),
        [text],
        `${name} ${option.names[0]}`,
      );
    }
  }
});

Deno.test("the schema and the example have each option of each command, by its long name", () => {
  const schema = configSchema(FILES) as { properties: Record<string, Record<string, unknown>> };
  for (const [name, command] of Object.entries(FILES)) {
    const [word, inner] = name.split(" ");
    const found = schema.properties[word!]!;
    const one = inner === undefined
      ? found
      : (found["properties"] as Record<string, typeof found>)[inner]!;
    const [table] = one["oneOf"] as { properties: Record<string, unknown> }[];
    const names = Object.values(fileOptions(command)).map(({ names }) => names[0]);
    assert.deepEqual(Object.keys(table!.properties), names, name);
    const text = exampleOf(tableOf(name), FILES);
    for (const one of names) assert.match(text, new RegExp(`^#?${one} = `, "m"), name);
  }
});

Deno.test("the example of each command is good as it is, and lines are not long", () => {
  const text = exampleOf(undefined, FILES);
  const { entries, problems } = readEntries(text, "x.toml", FILES);
  assert.deepEqual(problems, []);
  assert.deepEqual(entries.map(({ command }) => command), Object.keys(FILES));
  for (const one of entries) {
    if (one.command === "forward add") continue; // its example is of a switch with a target
    assert.equal(whyIncomplete(one, FILES[one.command]!, []), null, one.command);
  }
  for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
  assert.throws(() => exampleOf("proxi.client", FILES), {
    message: /did you mean proxy\.client\?/,
  });
});

Deno.test("several tables, single ones, and words of any quoting; each kind of value", () => {
  const { entries } = readEntries(
    [
      "[[client]]",
      'server = "a"',
      "once = true",
      "[[client]]",
      "server = 'b'",
      "mtu = 1_400",
      'route = ["10.0.0.0/8",',
      '  "10.1.0.0/16"]',
      '["proxy".client]',
      "listen = 1080",
    ].join("\n"),
    "x.toml",
    FILES,
  );
  assert.deepEqual(entries.map(({ command, number }) => [command, number]), [
    ["client", 1],
    ["client", 2],
    ["proxy client", 1],
  ]);
  assert.equal(entries[1]!.layer.get("mtu")![0]!.text, "1400");
  assert.deepEqual(entries[1]!.layer.get("route")!.map(({ spelled }) => spelled), [
    "route (x.toml line 7)",
    "route (x.toml line 8)",
  ]);
  assert.equal(entries[2]!.layer.get("listen")![0]!.text, "1080");
});

Deno.test("a fault is told with its line, and the nearest name", () => {
  assert.deepEqual(problems("[[client]]", 'servr = "a"', "mtu = 12", "mtu2 = true"), [
    '2: there is no setting "servr" of client; did you mean server?',
    '3: Cannot take "12" for mtu: it must be a whole number from 68 to 65519',
    '4: there is no setting "mtu2" of client; did you mean mtu?',
  ]);
  assert.deepEqual(problems("[[server]]", 'l = ":1"', 'allow = "10.0.0.0/8"', "key_file = 'x'"), [
    '2: there is no setting "l" of server; did you mean listen?',
    '3: there is no setting "allow" of server; did you mean permit-open?',
    '4: there is no setting "key_file" of server; did you mean key-file?',
  ]);
  assert.deepEqual(problems("[[proxy-client]]", "[proxy]", "[sever]"), [
    '1: there is no command "proxy-client"; did you mean proxy.client?',
    "2: proxy is no command: write proxy.server or proxy.client",
    '3: there is no command "sever"; did you mean server?',
  ]);
  assert.deepEqual(problems("mtu = 1", "[[client]]", "a.b = 1"), [
    "1: mtu stands in no table: settings come below the command that they are for, as [[client]]",
    "3: a.b: settings have no parts",
  ]);
  assert.deepEqual(
    problems(
      "[[client]]",
      "mtu = '1400'",
      "once = 1",
      "name = true",
      "up = ['x']",
      "route = [1.5]",
    ),
    [
      "2: mtu takes a whole number from 68 to 65519, without quotes",
      "3: once takes true or false",
      '4: name takes a text in quotes, as "NAME"',
      "5: up takes one value, no list",
      '6: route takes texts in quotes, as ["CIDR"]',
    ],
  );
  assert.deepEqual(
    ["ttun://n0body@example.net:1", "ttun://n0body@example.net:1?wire=v3", "ttun://n0body"]
      .flatMap((link) => problems("[[client]]", "once = true", `server = "${link}"`)),
    [
      "3: Cannot read the link: there is a setting in it that this ttun does not know; update it; " +
      "ttun share prints one",
      "3: Cannot read the link: it has another form; ttun share prints one",
    ],
  );
  assert.match(problems("[[client]]", "mtu = ")[0]!, /^2: this is no TOML: /);
  assert.match(problems("[[client]]", "config = 'x'")[0]!, /^2: there is no setting "config"/);
  assert.deepEqual(problems(`a = ${"[".repeat(100_000)}`).length, 1);
});

Deno.test("commands and secrets are told, wherever they stand", () => {
  const found = entry(
    "[[client]]",
    "server = 'exec:ssh host ttun server -l stdio:'",
    "up = 'ip route'",
    "key = 'n0body'",
    "key-file = '/k'",
  );
  assert.deepEqual([found.commands, found.secrets], [["server", "up"], ["key"]]);
  assert.match(
    whyIncomplete(found, FILES["client"]!, [])!,
    /^Options key \(.* line 4\) and key-file/,
  );
  assert.equal(whyIncomplete(entry("[[client]]"), FILES["client"]!, []), "server is missing");
  const shown = shownEntry(found, FILES, (name) => name === "TTUN_MTU" ? "1400" : undefined);
  assert.match(shown, /^mtu = 1400 {2}# TTUN_MTU$/m);
  assert.match(shown, /^key-file = "\/k" {2}# x\.toml line 5$/m);
  assert.match(shown, /^# key is there {2}\(x\.toml line 4\)$/m);
  assert.doesNotMatch(shown, /n0body/);
});

Deno.test("any text is read as it was written, and any file comes to entries or faults", () => {
  const { options } = FILES["client"]!;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()), (text) => {
      const found = entry("[[client]]", `down = ${quote(text)}`);
      const values = completeArgs({ down: options["down"]! }, {}, [found.layer]);
      assert.equal(values.down, text);
    }),
  );
  const piece = fc.constantFrom(
    "[[client]]",
    "[",
    "]",
    "mtu",
    "=",
    "1",
    '"',
    "'",
    "\n",
    "{",
    ".",
    "#",
    "é",
  );
  fc.assert(fc.property(fc.array(fc.oneof(piece, fc.string())), (pieces) => {
    const { entries, problems } = readEntries(pieces.join(""), "x.toml", FILES);
    assert.ok(entries.length >= 0 && problems.every(({ line }) => line >= 1));
  }));
});
