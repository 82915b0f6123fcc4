import assert from "node:assert/strict";
import { test } from "../../../tests/check.ts";
import { EXIT_CODES } from "../../base/errors.ts";
import { MAIN, runDeno, type Running, startDeno } from "../process_fixture.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;
const KEY = "vbYTtPqk3wU4yhDZ1s0dLQ";
const ENV = { TTUN_KEY: KEY };

const EVERYTHING = ["-A"];
const isLinux = Deno.build.os === "linux";

function start(flags: string[], args: string[], env: Record<string, string> = ENV): Running {
  return startDeno(["run", "--no-prompt", "--config", CONFIG, ...flags, MAIN, "proxy", ...args], {
    env,
  });
}

/** The permission set of deno.json that is for the role. */
function setOf(role: "server" | "client"): string[] {
  return [`-P=proxy-${role}`];
}

const SERVER = ["server", "-l", "127.0.0.1"];
const CLIENT = ["client", "-s", "127.0.0.1", "-l", "127.0.0.1:0"];

/** Sends bytes to a client that listens, and returns the first that come back. */
async function ask(running: Running, ...bytes: number[]): Promise<number[]> {
  const port = Number(/listening {2}address=\S+:(\d+) /.exec(running.output)?.[1]);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(Uint8Array.from(bytes));
  const answer = new Uint8Array(64);
  return [...answer.subarray(0, await conn.read(answer) ?? 0)];
}

async function stopped(running: Running): Promise<void> {
  running.kill("SIGTERM");
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /error|does not stop/);
}

function occurrences(text: string, of: string): number {
  return text.split(of).length - 1;
}

async function makeFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

test("a server tells what it has, under its permission set, and stops when asked to", async () => {
  await using folder = await makeFolder();
  const keys = `${folder.path}/keys`;
  await Deno.writeTextFile(keys, `# two\nann:${KEY}\nbob:${KEY}2\n`, { mode: 0o600 });
  const args = ["--key-file", keys, "-r", "30000-31000", "-m", "aes-256-gcm"];
  await using running = start(setOf("server"), [...SERVER, ...args]);
  await running.prints("proxy server");
  await running.prints("keys=2\n");
  const facts = isLinux ? 'io=ffi congestion="?[^=\\n]+' : "io=deno congestion=[^=\\n]+";
  assert.match(
    running.output,
    new RegExp(
      `info {2}proxy server {2}cipher=aes-256-gcm aead=.* ${facts} ports=30000-31000 ` +
        "host=127\\.0\\.0\\.1 keys=2\\n",
    ),
  );
  assert.doesNotMatch(running.output, /\bwarn/);
  await stopped(running);
});

for (const [io, flags] of [["auto", setOf("client")], ["deno", EVERYTHING]] as const) {
  test(`a client listens where its line says, and stops when asked to: --io ${io}`, async () => {
    await using running = start([...flags], [...CLIENT, "--io", io]);
    await running.prints("server=127.0.0.1\n");
    assert.match(running.output, /listening {2}address=127\.0\.0\.1:\d+ server=127\.0\.0\.1\n/);
    assert.deepEqual(await ask(running, 5, 1, 0), [5, 0]);
    assert.doesNotMatch(running.output, /\bwarn/);
    await stopped(running);
  });
}

test("without the permission for native calls Deno's own sockets and ciphers do", async () => {
  const flags = ["--allow-net", "--allow-read", "--allow-env=TTUN_KEY"];
  for (const args of [SERVER, CLIENT]) {
    await using running = start(flags, args);
    await running.prints("io=deno");
    assert.match(running.output, /aead="node \(node:crypto\)"/);
    await stopped(running);
  }
});

test("a proxy that everybody can reach draws one warning, unless it asks who they are", async () => {
  const open = ["client", "-s", "127.0.0.1", "-l", "*:0"];
  const warning = "Everybody who reaches this proxy's address can use it";
  await using unguarded = start(EVERYTHING, open);
  await unguarded.prints("listening");
  assert.equal(occurrences(unguarded.output, warning), 1);
  await stopped(unguarded);
  await using guarded = start(EVERYTHING, open, { ...ENV, TTUN_PROXY_AUTH: "me:n0body" });
  await guarded.prints("listening");
  assert.doesNotMatch(guarded.output, /\bwarn|n0body/);
  assert.deepEqual(await ask(guarded, 5, 2, 0, 2), [5, 2]); // of none and a password
  await stopped(guarded);
});

test("each weak key of several is warned of by its name", async () => {
  await using folder = await makeFolder();
  const keys = `${folder.path}/keys`;
  await Deno.writeTextFile(keys, `ann:${KEY}\nbob:n0body\n`, { mode: 0o600 });
  await using running = start(EVERYTHING, [...SERVER, "--key-file", keys]);
  await running.prints("proxy server");
  assert.match(running.output, /^ttun: warning: The key of bob is short: /m);
  assert.doesNotMatch(running.output, /key of ann|n0body/);
  await stopped(running);
});

test("the file of --pid is there when everything is open, and gone at the end", async () => {
  await using folder = await makeFolder();
  const path = `${folder.path}/pid`;
  await using running = start(EVERYTHING, [...CLIENT, "--pid", path]);
  await running.prints("listening");
  await ask(running, 5, 1, 0); // what answers was told to go
  assert.equal(await Deno.readTextFile(path), `${running.pid}\n`);
  await stopped(running);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

test({
  name: "key and password among the arguments are gone from the process list",
  ignore: !isLinux,
  fn: async () => {
    const secrets = ["-k", "n0body1", "--auth=me:n0body2"];
    await using running = start(EVERYTHING, [...CLIENT, ...secrets]);
    await running.prints("listening");
    const shown = (await Deno.readTextFile(`/proc/${running.pid}/cmdline`)).replaceAll("\0", " ");
    assert.match(shown, / proxy client -s 127\.0\.0\.1 -l 127\.0\.0\.1:0 -k x+ --auth=x+ $/);
    assert.match(running.output, /key given by -k was visible/);
    assert.match(running.output, /password given by --auth was visible/);
    assert.doesNotMatch(running.output, /n0body/);
    await stopped(running);
  },
});

test("what is missing or wrong is one line and its own exit code", async () => {
  await using folder = await makeFolder();
  const list = `${folder.path}/list`;
  await Deno.writeTextFile(list, "10.0.0.0/8\nhttp://x\n");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const some = ["--allow-net", "--allow-read", "--allow-env=TTUN_KEY"];
  const at = (port: number) => ["client", "-s", "a", "-l", `127.0.0.1:${port}`];
  const cases: [string[], string[], keyof typeof EXIT_CODES, RegExp][] = [
    [[], SERVER, "privilege", /listen and connect: .*--allow-net; run with -A or -P=proxy-server/],
    [["--allow-net"], CLIENT, "privilege", /--allow-read; run with -A or -P=proxy-client/],
    [some, [...CLIENT, "--pid", "/some/pid"], "privilege", /--allow-write=\/some\/pid/],
    [some, [...CLIENT, "--direct-file", list], "usage", /file for --direct .*Line 2: /],
    [some, at(taken.addr.port), "in_use", /the port is taken/],
    [some, [...CLIENT, "--user", "nobody"], "usage", /Cannot use --user: /],
    ...(isLinux
      ? [[some, [...CLIENT, "--io", "ffi"], "privilege", /use native sockets: .*--allow-ffi/]] as [
        string[],
        string[],
        "privilege",
        RegExp,
      ][]
      : []),
  ];
  for (const [flags, args, kind, words] of cases) {
    const command = ["run", "--no-prompt", ...flags, MAIN, "proxy", ...args];
    const { code, stderr } = await runDeno(command, { env: ENV });
    assert.match(stderr, words);
    assert.match(stderr, /^ttun: .*\n$/);
    assert.equal(code, EXIT_CODES[kind].code);
  }
});
