import assert from "node:assert/strict";
import { EXIT_CODES } from "../../base/errors.ts";
import { allCommands } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import {
  commandHelp,
  commandUsage,
  generalHelp,
  generalUsage,
  groupHelp,
  groupUsage,
  listings,
  TOPICS,
} from "./help.ts";
import { type Option, OPTION_GROUPS } from "./option_table.ts";

const ALL = Object.entries(allCommands(COMMANDS));

const PAGES: readonly (readonly [string, string])[] = [
  ["general", generalHelp(COMMANDS)],
  ["proxy", groupHelp("proxy", COMMANDS.proxy)],
  ...ALL.map(([name, c]) => [name, commandHelp(name, c)] as const),
  ...Object.entries(TOPICS).map(([name, topic]) => [name, topic.page()] as const),
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

Deno.test("the general page tells all commands, and where the exit codes are", () => {
  const page = generalHelp(COMMANDS);
  const words = page.replaceAll(/\s+/g, " ");
  for (const { name, summary, usage, example } of listings(COMMANDS)) {
    assert.ok(words.includes(` ${name} ${summary} `), name);
    assert.ok(page.includes(`  ${usage}\n`), name);
    assert.ok(page.includes(`  ${example}\n`), name);
  }
  assert.match(page, /^ttun help exit-codes /m);
  assert.doesNotMatch(page, new RegExp(EXIT_CODES.internal.meaning));
});

Deno.test("the page of exit codes has every code", () => {
  const page = TOPICS["exit-codes"]!.page();
  for (const { code, meaning } of Object.values(EXIT_CODES)) {
    assert.match(page, new RegExp(`^  ${code} +${meaning}$`, "m"));
  }
});

Deno.test("every option stands under its group's heading, and the groups are in order", () => {
  for (const [name, command] of ALL) {
    const options: readonly Option[] = Object.values(command.options);
    if (options.length === 0) continue;
    const page = commandHelp(name, command);
    const groups = Object.entries(OPTION_GROUPS).filter(([group]) =>
      group === "basic" || options.some((option) => option.group === group)
    );
    const starts = groups.map(([, title]) =>
      page.indexOf(`\n${groups.length === 1 ? "Options" : title}:\n`)
    );
    assert.deepEqual(starts, starts.toSorted((a, b) => a - b), name);
    assert.ok(starts[0]! > 0, name);
    for (const option of options) {
      const long = `--${option.names[0]}`;
      assert.ok(option.group !== undefined, `${name} ${long} has no group`);
      const at = groups.findIndex(([group]) => group === option.group);
      const part = page.slice(starts[at], starts[at + 1] ?? page.length);
      assert.match(part, new RegExp(`^ +(-\\w, )*(--[\\w-]+, )*${long}[ ,\\n]`, "m"), name);
    }
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
  assert.match(
    generalUsage(COMMANDS),
    /^Usage: ttun server\|client\|proxy\|peer\|stun-server\|tox\|mesh\|send\|receive\|ping\|speedtest\|status\|doctor\|forward\|share\|key\|device\|up\|down\|reload\|logs\|service\|config\|genkey\|completions\|man /,
  );
  assert.match(groupUsage("proxy", COMMANDS.proxy), /^Usage: ttun proxy server\|client /);
  assert.match(commandUsage("client", COMMANDS.client), /^Usage: ttun client -s HOST\[:PORT\] /);
});

Deno.test("all commands are told by all their words, in order", () => {
  const ends = ["server", "client", "proxy server", "proxy client"];
  const peer = ["peer", "peer listen", "peer connect"];
  const questions = [
    "stun-server",
    "tox",
    "tox id",
    "tox nodes",
    "tox ssh",
  ];
  const mesh = ["init", "node", "invite", "join", "leave", "status", "kv", "token"]
    .concat(
      "revoke",
      "rotate",
      "enroll",
      "publish",
      "names",
      "password",
      "access",
      "connect",
      "listen",
      "core",
    )
    .map((word) => `mesh ${word}`);
  const tools = ["send", "receive", "ping", "speedtest", "status", "doctor"];
  const forward = ["add", "list", "remove"].map((word) => `forward ${word}`);
  const key = ["add", "revoke", "list"].map((word) => `key ${word}`);
  const device = ["add", "remove", "list"].map((word) => `device ${word}`);
  const runs = ["up", "down", "reload", "logs"];
  const service = ["install", "uninstall", "start", "stop", "status", "logs"]
    .map((word) => `service ${word}`);
  const config = ["check", "show", "example", "schema"].map((word) => `config ${word}`);
  const shells = ["bash", "zsh", "fish"].map((shell) => `completions ${shell}`);
  assert.deepEqual(
    ALL.map(([name]) => name),
    [
      ...ends,
      ...peer,
      ...questions,
      ...mesh,
      ...tools,
      ...forward,
      "share",
      ...key,
      ...device,
      ...runs,
      ...service,
      ...config,
      "genkey",
      ...shells,
      "man",
    ],
  );
  assert.deepEqual(
    listings(COMMANDS).map(({ name }) => name),
    [
      ...ends,
      ...peer,
      ...questions,
      "mesh",
      ...tools,
      "forward",
      "share",
      "key",
      "device",
      ...runs,
      "service",
      "config",
      "genkey",
      "completions",
      "man",
    ],
  );
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

Deno.test("no letter and no name means two things inside one command; -d is --daemon, but tuntox's -d", () => {
  for (const [name, command] of ALL) {
    const options: readonly Option[] = Object.values(command.options);
    const names = options.flatMap((option) => option.names);
    assert.deepEqual(names.filter((one, i) => names.indexOf(one) !== i), [], name);
    const daemon = options.find((option) => option.names.includes("d"));
    const meaning = name === "tox" ? "verbose" : "daemon";
    if (daemon !== undefined) assert.equal(daemon.names[0], meaning, name);
  }
});
