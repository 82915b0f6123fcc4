import assert from "node:assert/strict";
import {
  type Ended,
  MAIN,
  runDeno,
  runTtun,
  startOnTerminal,
  writeScript,
} from "./process_fixture.ts";
import { test } from "../../tests/check.ts";
import { COMPLETIONS } from "./command/completions.ts";
import { manPage } from "./command/man_page.ts";
import { COMMANDS } from "./command/commands.ts";

function assertUsage(ended: Ended, what: RegExp): void {
  assert.equal(ended.code, 2);
  assert.equal(ended.stdout, "");
  assert.match(ended.stderr, what);
  assert.match(ended.stderr, /^Usage: ttun /m);
  assert.doesNotMatch(ended.stderr, /\.ts:|^\s+at /m);
}

test("help goes to standard output, by all its spellings, with exit code 0", async () => {
  const general = await runTtun("--help");
  assert.equal(general.code, 0);
  assert.equal(general.stderr, "");
  assert.match(general.stdout, /^ttun help exit-codes /m);
  for (const word of ["help", "-h", "-help"]) assert.deepEqual(await runTtun(word), general);

  const server = await runTtun("server", "--help");
  assert.equal(server.code, 0);
  assert.match(server.stdout, /--listen ADDR/);
  assert.deepEqual(await runTtun("help", "server"), server);
  assert.deepEqual(await runTtun("help", "--help"), general);
  assert.deepEqual(await runTtun("server", "-mtu", "1300", "-h"), server);
});

test("a group has help of its own, by all spellings, and so have its commands", async () => {
  const group = await runTtun("proxy", "--help");
  assert.equal(group.code, 0);
  assert.equal(group.stderr, "");
  assert.match(group.stdout, /^ {2}ttun proxy client -s HOST \[options\]$/m);
  for (const line of ["help proxy", "proxy help", "tt -h", "help tt"]) {
    assert.deepEqual(await runTtun(...line.split(" ")), group, line);
  }
  const server = await runTtun("proxy", "server", "--help");
  assert.equal(server.code, 0);
  assert.match(server.stdout, /^ttun proxy server \[options\] — /);
  assert.match(server.stdout, /--port-range A-B/);
  for (const line of ["help proxy server", "proxy help server", "tt server -h", "help tt server"]) {
    assert.deepEqual(await runTtun(...line.split(" ")), server, line);
  }
  assert.match((await runTtun("proxy", "-V")).stdout, /^ttun \d/);
});

test("a group without a command, or with an unknown one, is told its usage line", async () => {
  const usage = /^Usage: ttun proxy server\|client \[options\] {3}\(more by ttun proxy --help\)$/m;
  assertUsage(await runTtun("proxy"), usage);
  const unknown = await runTtun("tt", "sever");
  assertUsage(unknown, /^ttun: Unknown command "proxy sever"; did you mean proxy server\?$/m);
  assertUsage(unknown, usage);
  const listen = await runTtun("peer", "listen", "--help");
  assert.match(listen.stdout, /^ttun peer listen \[options\] — print a ticket/);
  for (const line of ["help peer listen", "help tete listen", "tete listen -h"]) {
    assert.deepEqual(await runTtun(...line.split(" ")), listen);
  }
  assert.match((await runTtun("help", "peer")).stdout, /\nCommands:\n {2}listen {3}print a ticket/);
  assertUsage(await runTtun("help", "proxy", "clinet"), /did you mean proxy client\?/);
  assertUsage(await runTtun("prxy"), /^ttun: Unknown command "prxy"; did you mean proxy\?$/m);
  assertUsage(await runTtun("proxy", "genkey"), /^ttun: Unknown command "proxy genkey"$/m);
  const early = await runTtun("proxy", "-k=n0body", "server");
  assertUsage(early, /the command comes first/);
  assert.doesNotMatch(early.stderr, /n0body/);
  const client = await runTtun("proxy", "client", "-k", "n0body");
  assertUsage(client, /^Usage: ttun proxy client -s HOST /m);
  assertUsage(await runTtun("proxy", "server", "--no-proxy"), /TUN mode over tt is not there yet/);
});

test("under a name that stands for a group or a command ttun is that, under others all of it", async () => {
  await using script = await writeScript(`
    import { COMMANDS } from "cli/command/commands.ts";
    import { run } from "cli/run.ts";
    const [name, ...args] = Deno.args;
    Deno.exit(await run(args, COMMANDS, name));
  `);
  const runAs = (name: string, ...args: string[]) =>
    runDeno(["run", "-A", script.path, name, ...args]);
  for (const args of [["--help"], ["client", "--help"], ["help", "server"], ["sever"], []]) {
    assert.deepEqual(await runAs("tt", ...args), await runTtun("proxy", ...args), args.join(" "));
  }
  assert.deepEqual(await runAs("proxy", "--help"), await runTtun("--help"));
  for (const args of [["--help"], ["-nonsense"]]) {
    assert.deepEqual(await runAs("tete", ...args), await runTtun("peer", ...args), args.join(" "));
  }
  assert.deepEqual(await runAs("tete", "--version"), await runTtun("--version"));
  assert.deepEqual(await runTtun("tox", "-V"), await runTtun("--version"));
});

test("the exit codes are a page of help, from everywhere", async () => {
  const page = await runTtun("help", "exit-codes");
  assert.equal(page.code, 0);
  assert.equal(page.stderr, "");
  assert.match(page.stdout, /^Exit codes:\n {2}0 +done/);
  assert.deepEqual(await runTtun("proxy", "help", "exit-codes"), page);
  assertUsage(await runTtun("help", "exit-code"), /did you mean help exit-codes\?$/m);
});

test("completions and the manual page are printed, without a permission", async () => {
  const runBare = (...args: string[]) => runDeno(["run", "--no-prompt", MAIN, ...args]);
  for (const [shell, script] of Object.entries(COMPLETIONS)) {
    const ended = await runBare("completions", shell);
    assert.deepEqual(ended, { code: 0, stdout: script(COMMANDS), stderr: "" });
  }
  assert.deepEqual(await runBare("man"), { code: 0, stdout: manPage(COMMANDS), stderr: "" });
  assertUsage(await runTtun("completions"), /^Usage: ttun completions bash\|zsh\|fish /m);
  assertUsage(await runTtun("completions", "basch"), /did you mean completions bash\?$/m);
});

test("help and version need no permission", async () => {
  for (const word of ["--help", "--version"]) {
    const ended = await runDeno(["run", "--no-prompt", MAIN, word]);
    assert.equal(ended.code, 0);
    assert.equal(ended.stderr, "");
  }
});

test("the version is that of deno.json", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  for (const word of ["version", "--version", "-V"]) {
    const ended = await runTtun(word);
    assert.deepEqual(ended, { code: 0, stdout: `ttun ${manifest.version}\n`, stderr: "" });
  }
});

test("a version in detail names Deno, V8, OpenSSL and the wire formats", async () => {
  const short = await runTtun("--version");
  const long = await runTtun("--version", "-v");
  assert.equal(long.stderr, "");
  assert.equal(
    long.stdout,
    `${short.stdout}Deno     ${Deno.version.deno} (${Deno.build.target})
V8       ${Deno.version.v8}
OpenSSL  ${/^OpenSSL {2}(.+)$/m.exec(long.stdout)?.[1]}
wire     versions 1 and 2 of the tunnel and of the proxy, whose version 1 is tt
`,
  );
  for (const line of ["version --verbose", "-v --version", "proxy -V -v"]) {
    assert.deepEqual(await runTtun(...line.split(" ")), long, line);
  }
  const bare = await runDeno(["run", "--no-prompt", MAIN, "--version", "-v"]);
  assert.match(bare.stdout, /^OpenSSL {2}not looked for: .*--allow-ffi$/m);
  assertUsage(await runTtun("--version", "-k=n0body"), /only -v is taken there$/m);
});

test("without a command there is a usage line and exit code 2", async () => {
  assertUsage(
    await runTtun(),
    /^Usage: ttun server\|client\|proxy\|peer\|stun-server\|tox\|mesh\|send\|receive\|ping\|speedtest\|status\|/,
  );
});

test("an unknown command is refused with a suggestion", async () => {
  assertUsage(await runTtun("sever"), /^ttun: Unknown command "sever"; did you mean server\?$/m);
  assertUsage(await runTtun("help", "clinet"), /did you mean client\?/);
  assertUsage(await runTtun("constructor"), /^ttun: Unknown command "constructor"$/m);
  const early = await runTtun("-k=n0body", "server");
  assertUsage(early, /the command comes first/);
  assert.doesNotMatch(early.stderr, /n0body/);
});

test("a link in the wrong place is refused without its key", async () => {
  const link = "ttun://sEcReT@h:1";
  for (
    const [args, what] of [
      [[link], /Unknown command "ttun:\/\/…@h:1"/],
      [["proxy", "client", "-s", link], /-s takes no link: those are for -s of ttun client/],
      [["server", "-l", link], /-l takes no link/],
      [["client", "h:1", "-L", link], /-L takes no link/],
      [["client", "ttunn://sEcReT@h:1"], /"ttunn:\/\/…@h:1"/],
    ] as const
  ) {
    const ended = await runTtun(...args);
    assertUsage(ended, what);
    assert.doesNotMatch(ended.stderr, /sEcReT/);
  }
});

test("an unknown option is refused with a suggestion", async () => {
  assertUsage(await runTtun("server", "--cypher", "x"), /--cypher: did you mean --cipher\?/);
  assertUsage(await runTtun("genkey", "--bits"), /Unknown option --bits/);
});

test("a client without a server is told its usage line", async () => {
  assertUsage(await runTtun("client", "-k", "n0body"), /^Usage: ttun client -s HOST\[:PORT\] /m);
});

test("options before the command, and commands of other tunnels, are told the right order and word", async () => {
  const early = await runTtun("-k", "n0body", "proxy", "client");
  assertUsage(early, /the command comes first, as in ttun proxy \[options\]$/m);
  assertUsage(await runTtun("connect"), /"connect": use ttun server at one end and ttun client/);
  assertUsage(await runTtun("proxy", "-v", "client"), /as in ttun proxy client \[options\]$/m);
});

test("each generated key is another", async () => {
  const [a, b] = await Promise.all([runTtun("genkey"), runTtun("genkey")]);
  for (const ended of [a, b]) {
    assert.equal(ended.code, 0);
    assert.equal(ended.stderr, "");
    assert.match(ended.stdout, /^[A-Za-z0-9_-]{43}\n$/);
  }
  assert.notEqual(a.stdout, b.stdout);
});

test("a key that cannot be written is an error, a reader that went away is none", async () => {
  const deno = `${Deno.execPath()} run -A ${MAIN}`;
  await using full = startOnTerminal(`${deno} genkey >/dev/full`);
  assert.equal((await full.ended).code, 12);
  assert.match(full.output, /^ttun: Cannot write to standard output/);
  await using closed = startOnTerminal(`bash -c '${deno} --help | true; exit \${PIPESTATUS[0]}'`);
  assert.deepEqual(await closed.ended, { code: 0, stdout: "", stderr: "" });
});

test("an option may stand in the environment, where a wrong value is told by its variable", async () => {
  const run = (env: Record<string, string>, ...args: string[]) =>
    runDeno(["run", "-A", MAIN, ...args], { env });
  const wrong = await run({ TTUN_MTU: "12" }, "client", "-s", "example.net");
  assertUsage(wrong, /^ttun: Cannot take "12" for TTUN_MTU: it must be a whole number from 68 /m);
  const both = await run({ TTUN_SERVER: "example.net:0" }, "client");
  assertUsage(both, /^ttun: TTUN_SERVER: Cannot connect to port 0: /m);
  const hook = await run({ TTUN_ROLE: "client", TTUN_SERVER: "example.net" }, "client");
  assertUsage(hook, /^ttun: Option -s HOST\[:PORT\] is missing$/m);
});
