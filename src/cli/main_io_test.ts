import assert from "node:assert/strict";
import { type Ended, MAIN, runDeno, runTtun, startOnTerminal } from "./process_fixture.ts";
import { test } from "../../tests/check.ts";

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
  assert.match(general.stdout, /Exit codes:/);
  for (const word of ["help", "-h", "-help"]) assert.deepEqual(await runTtun(word), general);

  const server = await runTtun("server", "--help");
  assert.equal(server.code, 0);
  assert.match(server.stdout, /--listen ADDR/);
  assert.deepEqual(await runTtun("help", "server"), server);
  assert.deepEqual(await runTtun("server", "-mtu", "1300", "-h"), server);
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

test("without a command there is a usage line and exit code 2", async () => {
  assertUsage(await runTtun(), /^Usage: ttun server\|client\|genkey/);
});

test("an unknown command is refused with a suggestion", async () => {
  assertUsage(await runTtun("sever"), /^ttun: Unknown command "sever"; did you mean server\?$/m);
  assertUsage(await runTtun("help", "clinet"), /did you mean client\?/);
  assertUsage(await runTtun("constructor"), /^ttun: Unknown command "constructor"$/m);
  const early = await runTtun("-k=n0body", "server");
  assertUsage(early, /the command comes first/);
  assert.doesNotMatch(early.stderr, /n0body/);
});

test("an unknown option is refused with a suggestion", async () => {
  assertUsage(await runTtun("server", "--cypher", "x"), /--cypher: did you mean --cipher\?/);
  assertUsage(await runTtun("genkey", "--bits"), /Unknown option --bits/);
});

test("a client without a server is told its usage line", async () => {
  assertUsage(await runTtun("client", "-k", "n0body"), /^Usage: ttun client -s HOST:PORT /m);
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
