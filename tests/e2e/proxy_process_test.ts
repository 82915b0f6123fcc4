import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import { makeFolder } from "./proxy_files.ts";
import {
  endWell,
  ENV,
  expectCleanLog,
  KEY,
  LOOPBACK,
  openPair,
  portOf,
  type Process,
  RANGE,
  run,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { openThrough, readToEnd, writeAll } from "./proxy_socks.ts";
import { endlessSender, neverReader } from "./proxy_targets.ts";
import { serveWeb } from "./proxy_web.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

for (const io of ["ffi", "deno"]) {
  test(`Ctrl-C and SIGTERM end each end in a second in the middle of transfers: --io ${io}`, async () => {
    await using sender = endlessSender();
    await using taker = neverReader();
    for (
      const [end, signal] of [["server", "SIGINT"], ["client", "SIGINT"], ["server", "SIGTERM"], [
        "client",
        "SIGTERM",
      ]] as const
    ) {
      await using pair = await openPair({ both: ["--io", io] });
      using down = await openThrough(pair.port, sender.port);
      using up = await openThrough(pair.port, taker.port);
      using _idle = await Deno.connect({ hostname: LOOPBACK, port: pair.port });
      await writeAll(up, new Uint8Array(100_000));
      await down.read(new Uint8Array(1000));
      const reading = readToEnd(down);
      reading.catch(() => {}); // what fails before it is awaited shall be what is told
      const began = performance.now();
      pair[end].signal(signal);
      assert.equal((await pair[end].status).code, 0, pair[end].output);
      assert(performance.now() - began < 1000, `${performance.now() - began} ms`);
      // A connection that is cut off must not look ended.
      assert.equal((await reading).end, "reset", `${signal} at the ${end}`);
      const { stdout } = await run("ss", ["-Htlnp"]);
      assert(!stdout.includes(`pid=${pair[end].pid},`), stdout);
    }
  });
}

async function loads(client: Process, url: string): Promise<void> {
  const proxy = `socks5h://${LOOPBACK}:${portOf(client)}`;
  const { stdout, stderr } = await run("curl", ["-sS", "--max-time", "10", "-x", proxy, url]);
  assert.equal(stdout, "hello\n", `${stderr}${client.output}`);
}

interface Started extends AsyncDisposable {
  readonly server: Process;
  readonly client: Process;
}

/** Both ends by command lines of the test's own; `begin`: all that stands before `server`. */
async function start(
  begin: { server: string[]; client: string[] },
  o: { server?: string[]; client?: string[]; env?: Record<string, string>; spawn?: Spawn } = {},
): Promise<Started> {
  await using stack = new AsyncDisposableStack();
  const { spawn = spawnHere, env = ENV } = o;
  const end = (role: "server" | "client", args: string[]) => {
    const [command, ...rest] = [...begin[role], role, ...args, "-v", "-r", RANGE];
    return stack.adopt(spawn(command!, [...rest, ...o[role] ?? []], { env }), endWell);
  };
  const server = end("server", ["-l", LOOPBACK, "--allow", "127.0.0.0/8"]);
  const client = end("client", ["-s", LOOPBACK, "-l", `${LOOPBACK}:0`]);
  await Promise.all([server.waitFor(/ ports {2}open=/), client.waitFor(/ listening /)]);
  const owned = stack.move();
  return { server, client, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** One beginning for both command lines. */
function both(...begin: string[]) {
  return { server: begin, client: begin };
}

test("ttun tt, and a file that is called tt, are ttun proxy", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const { file } = await builtBinary();
  const link = `${folder.path}/tt`;
  await Deno.symlink(file, link);
  for (
    const begin of [
      both(Deno.execPath(), "run", "-A", MAIN, "tt"),
      both(link),
      { server: [link], client: [file, "proxy"] },
    ]
  ) {
    await using started = await start(begin);
    await loads(started.client, `http://${web.at}/hello`);
  }
  // A command line of tt's own documentation.
  const args = ["-k", KEY, "-l", LOOPBACK, "-m", "aes-256-gcm", "--no-proxy"];
  const { code, stderr } = await run(link, ["server", ...args]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /--no-proxy.*TUN mode over tt is not there yet/);
  assert(!stderr.includes(KEY));
});

test("the permission sets of deno.json are enough, and nothing is asked for on a terminal", async () => {
  await using web = serveWeb();
  const deno = [Deno.execPath(), "run"];
  const begin = (role: string) => [...deno, `-P=proxy-${role}`, MAIN, "proxy"];
  await using started = await start({ server: begin("server"), client: begin("client") });
  await loads(started.client, `http://${web.at}/hello`);
  await loads(started.client, `http://localhost:${web.port}/hello`); // names are asked for later
  const args = [...begin("client").slice(1), "client", "-s", LOOPBACK, "-l", `${LOOPBACK}:0`];
  // Without exec, a shell that waits would get the Ctrl-C too, and 130 would be its own end.
  const line = ["exec", Deno.execPath(), ...args].join(" ");
  await using onTerminal = spawnHere("script", ["-qec", line, "/dev/null"], {
    env: ENV,
    stdin: "piped",
  });
  await onTerminal.waitFor(/ listening /);
  await onTerminal.write(new Uint8Array([3])); // Ctrl-C
  assert.equal((await onTerminal.status).code, 0);
  for (const { output } of [onTerminal, started.server, started.client]) {
    assert.doesNotMatch(output, /requests .* access|Allow\?/);
  }
});

test("a user without any right runs both ends", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const { file } = await builtBinary();
  await run("sh", ["-c", `cp ${file} ${folder.path}/ttun && chmod 755 ${folder.path}`]);
  const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
  const spawn: Spawn = (command, args, options) =>
    spawnHere("setpriv", [...nobody, "--no-new-privs", "--", command, ...args], options);
  await using started = await start(both(`${folder.path}/ttun`, "proxy"), { spawn });
  await loads(started.client, `http://${web.at}/hello`);
  for (const { pid } of [started.server, started.client]) {
    assert.match(await Deno.readTextFile(`/proc/${pid}/status`), /^Uid:\t65534\t65534/m);
  }
});

test("--user leaves root behind in every thread, and what was not opened yet is opened as that user", async () => {
  await using web = serveWeb();
  await using pair = await openPair({ both: ["--user", "nobody"] });
  for (const { pid } of [pair.server, pair.client]) {
    const { stdout } = await run("sh", ["-c", `cat /proc/${pid}/task/*/status | grep -h ^Uid:`]);
    assert.deepEqual([...new Set(stdout.trim().split("\n"))], ["Uid:\t65534\t65534\t65534\t65534"]);
  }
  await loads(pair.client, `http://${web.at}/hello`);
  await loads(pair.client, `http://localhost:${web.port}/hello`);
});

test("no secret is in the list of processes, in a log, or in an error", async () => {
  await using web = serveWeb();
  const secret = "S3cretS3cretS3cret";
  const key = ["-k", `key${secret}`];
  const begin = both(Deno.execPath(), "run", "-A", MAIN, "proxy");
  {
    const options = {
      server: key,
      client: [...key, `--auth=ann:${secret}`],
      env: { NO_COLOR: "1" },
    };
    await using started = await start(begin, options);
    const url = `http://${web.at}/hello`;
    const proxy = `http://${LOOPBACK}:${portOf(started.client)}`;
    for (const user of [`ann:${secret}`, `ann:wrong${secret}`]) {
      await run("curl", ["-sS", "-U", user, "-x", proxy, url]);
    }
    const { stdout } = await run("ps", ["-ww", "-eo", "pid,args"]);
    assert.match(
      stdout,
      new RegExp(`^ *${started.client.pid} .*proxy client .* -k x+ --auth=x+ *$`, "m"),
    );
    assert.match(stdout, new RegExp(`^ *${started.server.pid} .*proxy server .* -k x+ *$`, "m"));
    assert(!stdout.includes(secret));
    for (const { output } of [started.server, started.client]) assert(!output.includes(secret));
    assert.equal(web.seen.length, 1);
    assert(!JSON.stringify([...web.seen[0]!.headers]).includes("authorization"));
  }
  for (const wrong of [["--auth", secret], ["--no-such-option", secret], [`-k${secret}`]]) {
    const args = ["run", "-A", MAIN, "proxy", "client", "-s", LOOPBACK, ...key, ...wrong];
    const { code, stderr } = await run(Deno.execPath(), args);
    assert.notEqual(code, 0);
    assert(!stderr.includes(secret), stderr);
  }
});

test("IPv6 at every end, and a server by its name", async () => {
  await using stack = new AsyncDisposableStack();
  const source = "Deno.serve({ hostname: '::1', port: 0 }, () => new Response('hello\\n'))";
  const web = stack.use(spawnHere(Deno.execPath(), ["eval", source]));
  const [, port] = await web.waitFor(/:(\d+)\/$/m);
  const args = ["-l", "0.0.0.0", "--allow", "::1"]; // all addresses
  stack.adopt(await startServer({ args }), endWell);
  for (const server of ["::1", "[::1]", "localhost", LOOPBACK]) {
    const client = await startClient({ args: ["-s", server, "-l", "[::1]:0"] });
    stack.adopt(client, endWell);
    for (const way of ["socks5h", "http"]) {
      const proxy = `${way}://[::1]:${portOf(client)}`;
      const { stdout, stderr } = await run("curl", ["-sS", "-x", proxy, `http://[::1]:${port}/`]);
      assert.equal(stdout, "hello\n", `${stderr}${client.output}`);
    }
  }
});

test("what several keys of one server are for: each client has its own, and a name in the log", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const file = `${folder.path}/keys`;
  await Deno.writeTextFile(file, `# three\nann:${KEY}\nbob:${KEY}bob\n\neve:${KEY}eve\n`, {
    mode: 0o600,
  });
  await using stack = new AsyncDisposableStack();
  const server = await startServer({ args: ["--key-file", file], env: { TTUN_KEY: "" } });
  stack.adopt(server, endWell);
  for (const [name, key] of [["ann", KEY], ["bob", `${KEY}bob`], ["eve", `${KEY}eve`]] as const) {
    const client = stack.use(await startClient({ env: { TTUN_KEY: key } }));
    await loads(client, `http://${web.at}/hello`);
    await server.waitFor(new RegExp(` connect .*user=${name} `));
  }
  const stranger = stack.use(await startClient({ env: { TTUN_KEY: `${KEY}?` } }));
  const args = ["-sS", "-x", `socks5h://${LOOPBACK}:${portOf(stranger)}`, `http://${web.at}/hello`];
  assert.notEqual((await run("curl", args)).code, 0);
  expectCleanLog(server);
});

test("logs are JSON when that is asked for, and nothing when quiet is", async () => {
  const target = "http://10.1.2.3/"; // denied
  const proxy = 20_700;
  const args = ["-r", RANGE, "-l"];
  const [deno, ...rest] = [Deno.execPath(), "run", "-A", MAIN, "proxy"];
  await using quiet = spawnHere(deno!, [...rest, "server", ...args, LOOPBACK, "-q"], { env: ENV });
  const json = ["-v", "--log-format", "json", "-s", LOOPBACK];
  const client = [...rest, "client", ...args, `${LOOPBACK}:${proxy}`, ...json];
  await using told = spawnHere(deno!, client, { env: ENV });
  await told.waitFor(/"listening"/);
  const curl = ["-sS", "--retry", "20", "--retry-delay", "1", "-x", `http://${LOOPBACK}:${proxy}`];
  assert.match((await run("curl", [...curl, target])).stdout, /--allow/);
  for (const line of told.stderr.trim().split("\n")) {
    const record = JSON.parse(line);
    assert.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof record.msg, "string");
  }
  assert.match(told.stderr, /"target":"10\.1\.2\.3:80"/);
  quiet.signal("SIGINT");
  await quiet.status;
  assert.equal(quiet.output, "");
});
