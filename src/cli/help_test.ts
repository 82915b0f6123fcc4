import assert from "node:assert/strict";
import { EXIT_CODES } from "../base/errors.ts";
import { allCommands } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import {
  commandHelp,
  commandUsage,
  generalHelp,
  generalUsage,
  groupHelp,
  groupUsage,
} from "./help.ts";

const ALL = Object.entries(allCommands(COMMANDS));

const PAGES: readonly (readonly [string, string])[] = [
  ["general", generalHelp(COMMANDS)],
  ["proxy", groupHelp("proxy", COMMANDS.proxy)],
  ...ALL.map(([name, c]) => [name, commandHelp(name, c)] as const),
];

Deno.test("no page is wider than 80 columns, has trailing spaces or lacks its last line end", () => {
  for (const [name, page] of PAGES) {
    for (const line of page.split("\n")) {
      assert.ok(line.length <= 80, `${name}: ${line}`);
      assert.equal(line, line.trimEnd(), name);
    }
    assert.ok(page.endsWith("\n") && !page.endsWith("\n\n"), name);
  }
});

Deno.test("the general page tells all commands and all exit codes", () => {
  const page = generalHelp(COMMANDS);
  for (const [name, command] of ALL) {
    const words = page.replaceAll(/\s+/g, " ");
    assert.ok(words.includes(` ${name} ${command.summary} `), name);
    assert.ok(page.includes(`  ${command.example}\n`), name);
  }
  for (const { code, meaning } of Object.values(EXIT_CODES)) {
    assert.match(page, new RegExp(`^  ${code} +${meaning}$`, "m"));
  }
});

Deno.test("a command's page tells every option with its default", () => {
  for (const [name, command] of ALL) {
    const page = commandHelp(name, command);
    for (const option of Object.values(command.options)) {
      assert.ok(page.includes(`--${option.names[0]}`), `${name} --${option.names[0]}`);
    }
    assert.ok(page.includes(command.example), name);
    assert.ok(page.includes("-h, --help"), name);
  }
  const words = commandHelp("server", COMMANDS.server).replaceAll(/\s+/g, " ");
  assert.ok(words.includes("-l, --listen ADDR"));
  assert.ok(words.includes("default :20203"));
  assert.ok(words.includes("default 10.1.1.1/30 and fc11::1/126"));
  assert.ok(words.includes("auto|native|node|pure; default auto"));
});

Deno.test("usage lines show what is required", () => {
  assert.match(generalUsage(COMMANDS), /^Usage: ttun server\|client\|proxy\|genkey /);
  assert.match(groupUsage("proxy", COMMANDS.proxy), /^Usage: ttun proxy server\|client /);
  assert.match(commandUsage("client", COMMANDS.client), /^Usage: ttun client -s HOST:PORT /);
});

Deno.test("all commands are told by all their words, in order", () => {
  const names = ["server", "client", "proxy server", "proxy client", "genkey"];
  assert.deepEqual(ALL.map(([name]) => name), names);
  assert.equal(allCommands(COMMANDS)["proxy server"], COMMANDS.proxy.commands.server);
});

Deno.test("a group's page tells its commands, its other words and its examples, and no others", () => {
  const page = groupHelp("proxy", COMMANDS.proxy);
  for (const [name, command] of Object.entries(COMMANDS.proxy.commands)) {
    assert.ok(page.includes(`  ${name}  ${command.summary}\n`), name);
    assert.ok(page.includes(`  ${command.example}\n`), name);
  }
  assert.match(page, /^ {2}ttun proxy server \[options\]$/m);
  assert.match(page, /^ {2}ttun proxy client -s HOST \[options\]$/m);
  assert.match(page, /^ttun tt is the same as ttun proxy\.$/m);
  assert.match(page, /^ttun proxy COMMAND --help /m);
  assert.doesNotMatch(page, /genkey|ttun server|--version/);
});
