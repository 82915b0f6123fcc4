/** `ttun client -f`: the foreground waits until the forwards work, and the background goes on. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { twoHosts } from "../netns.ts";
import { builtBinary } from "./binary.ts";
import {
  endWell,
  ENV,
  listensAt,
  LOOPBACK,
  PERMIT,
  type Process,
  spawnHere,
  startServer,
  ttunCommand,
  until,
} from "./forward_pair.ts";
import { isThere, type Orphan, orphan } from "./orphan.ts";
import { KEY, run } from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";
import { ping, runTtun, SERVER, startServer as startTunnelServer } from "./tunnel.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

const DENO_FOLDER = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

function newName(): string {
  return `test-background-${crypto.randomUUID().slice(0, 8)}`;
}

/** Finds a program as a user does. */
async function find(name: string): Promise<Orphan> {
  const { code, stdout, stderr } = await run(...ttunCommand("status", name, "--json"));
  assert.equal(code, 0, stderr);
  return orphan(JSON.parse(stdout).pid);
}

async function loads(port: number): Promise<void> {
  const url = `http://${LOOPBACK}:${port}/hello`;
  const { stdout, stderr } = await run("curl", ["-sS", "--max-time", "10", url]);
  assert.equal(stdout, "hello\n", stderr);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}

async function startPermitting(...ports: readonly number[]): Promise<Process> {
  const listens = ports.flatMap((port) => ["--permit-listen", `${port}`]);
  return await startServer({ args: [...PERMIT, ...listens] });
}

/** The client's options; it ends by itself when its server has. */
function clientArgs(server: Process, ...args: string[]): string[] {
  return ["client", "-s", listensAt(server), "-f", "--retries", "0", "--no-warm-up", ...args];
}

test("-f: ends with 0 when forwards of both ends work, and the rest is in the background", async () => {
  await using web = serveWeb();
  const [local, remote, denied] = [freePort(), freePort(), freePort()];
  await using server = await startPermitting(remote);
  const forwards = ["-L", `${LOOPBACK}:${local}:${web.at}`, "-R", `${remote}:${web.at}`];
  const name = newName();
  const args = clientArgs(server, ...forwards, "--status-name", name, "--key-file", "-");
  const env = { NO_COLOR: "1" };
  const first = await run(...ttunCommand(...args), { env, stdin: { text: `${KEY}\n` } });
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /info {2}remote forward /);
  await using client = await find(name);
  await Promise.all([local, remote].map(loads));

  for (const file of ["cmdline", "environ"]) {
    const text = Deno.readTextFileSync(`/proc/${client.pid}/${file}`);
    assert(text.length > 0 && !text.includes(KEY), text);
  }
  for (const fd of [0, 1, 2]) {
    assert.equal(Deno.readLinkSync(`/proc/${client.pid}/fd/${fd}`), "/dev/null");
  }
  // Fields 5 to 7 of proc_pid_stat(5): process group, session and terminal.
  const stat = Deno.readTextFileSync(`/proc/${client.pid}/stat`).split(") ")[1]!.split(" ");
  assert.deepEqual(stat.slice(2, 5), [`${client.pid}`, `${client.pid}`, "0"]);

  const failing = (...more: string[]) =>
    run(...ttunCommand(...clientArgs(server, "--exit-on-forward-failure", ...more)), { env: ENV });
  const [taken, refused, alone] = await Promise.all([
    failing("-L", `${LOOPBACK}:${local}:${web.at}`),
    failing("-R", `${denied}:${web.at}`),
    failing("-W", web.at),
  ]);
  assert.equal(taken.code, 8);
  assert.match(taken.stderr, /^ttun: Cannot listen on 127\.0\.0\.1:\d+: the port is taken/);
  assert.equal(refused.code, 4);
  assert.match(refused.stderr, /Cannot forward .*--permit-listen/);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /exclude each other/);
  await endWell(server);
  await until(() => !isThere(client.pid), () => "the client goes on without its server");
});

test("-f: the executable, its log in a file, and a key of the command line that is hidden", async () => {
  await using web = serveWeb();
  await using server = await startPermitting();
  const { file } = await builtBinary();
  const [port, name] = [freePort(), newName()];
  const log = await Deno.makeTempFile();
  try {
    const forwards = ["-L", `${LOOPBACK}:${port}:${web.at}`, "--status-name", name, "-k", KEY];
    const line = 'log=$1; shift; exec "$@" 2>"$log"';
    const args = ["-c", line, "sh", log, file, ...clientArgs(server, ...forwards)];
    const { code } = await run("sh", args, { env: { NO_COLOR: "1" } });
    assert.equal(code, 0, Deno.readTextFileSync(log));
    await using client = await find(name);
    await loads(port);
    const cmdline = Deno.readTextFileSync(`/proc/${client.pid}/cmdline`);
    assert(cmdline.includes(name) && !cmdline.includes(KEY), cmdline);
    await endWell(server);
    await until(() => !isThere(client.pid), () => "the client goes on without its server");
    assert.match(Deno.readTextFileSync(log), /authenticated[^]*error .*the server is ending/);
  } finally {
    Deno.removeSync(log);
  }
});

/** Types the key at the prompt of a terminal, which is closed when the command has ended. */
const TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
  os.execvp(sys.argv[2], sys.argv[2:])
said = b""
while b"Key" not in said:
  said += os.read(terminal, 1000)
os.write(terminal, sys.argv[1].encode() + b"\\r")
try:
  while True:
    said += os.read(terminal, 1000)
except OSError:
  pass # nobody has the terminal any more
os.write(1, said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

test("-f: a key that was typed; the terminal's end ends nothing", async () => {
  await using web = serveWeb();
  await using server = await startPermitting();
  const [port, name] = [freePort(), newName()];
  const forwards = ["-L", `${LOOPBACK}:${port}:${web.at}`, "--status-name", name];
  const line = ttunCommand(...clientArgs(server, ...forwards)).flat();
  const env = { NO_COLOR: "1", HOME: "/nowhere", DENO_DIR: DENO_FOLDER };
  const { code, stdout } = await run("python3", ["-c", TERMINAL, KEY, ...line], { env });
  assert.equal(code, 0, stdout);
  assert(!stdout.includes(KEY), stdout);
  await using client = await find(name);
  await loads(port);
  for (const file of ["cmdline", "environ"]) {
    assert(!Deno.readTextFileSync(`/proc/${client.pid}/${file}`).includes(KEY));
  }
});

for (const [signal, code] of [["SIGINT", 0], ["SIGKILL", 137]] as const) {
  test(`-f: ${signal} while it waits for a server ends both processes`, async () => {
    const args = ["client", "-s", `${LOOPBACK}:${freePort()}`, "-N", "-f", "--no-warm-up"];
    await using foreground = spawnHere(...ttunCommand(...args), { env: ENV });
    await foreground.waitFor(/Cannot connect to .*retry_in_seconds/);
    const children = `/proc/${foreground.pid}/task/${foreground.pid}/children`;
    const pid = Number(Deno.readTextFileSync(children));
    assert(isThere(pid));
    foreground.signal(signal);
    assert.equal((await foreground.status).code, code, foreground.output);
    if (code === 0) assert(!isThere(pid));
    await until(() => !isThere(pid), () => "the process in the background goes on");
  });
}

test("-f: the permission set of deno.json is enough", async () => {
  await using server = await startPermitting();
  const name = newName();
  const args = ["run", "-P=client", MAIN, ...clientArgs(server, "-N", "--status-name", name)];
  const { code, stderr } = await run(Deno.execPath(), args, { env: ENV });
  assert.equal(code, 0, stderr);
  await using _client = await find(name);
  assert.doesNotMatch(stderr, /requests .* access|Allow\?/);
});

test("-f: a tunnel's client waits until packets pass", async () => {
  await using hosts = await twoHosts();
  await using server = await startTunnelServer(hosts.server);
  const name = newName();
  const args = ["client", "-s", SERVER, "-f", "--retries", "0", "--status-name", name];
  const { code, stderr } = await runTtun(hosts.client, args);
  assert.equal(code, 0, stderr);
  await using client = await find(name);
  assert.equal(await ping(hosts.client, "10.1.1.1"), 3);
  await endWell(server);
  await until(() => !isThere(client.pid), () => "the client goes on without its server");
});
