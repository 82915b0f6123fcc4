/** `-d`: each command that stays, its number's file, its log file, and what SIGHUP does. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { ENV, LOOPBACK, PERMIT, spawnHere, ttunCommand, until } from "./forward_pair.ts";
import { twoHosts } from "../netns.ts";
import { isThere, type Orphan, orphan } from "./orphan.ts";
import { KEY, run } from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";
import { ping, runTtun, SERVER } from "./tunnel.ts";

const DENO_FOLDER = Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function makeFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ prefix: "ttun-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function daemonOf(pidFile: string): Orphan {
  return orphan(Number(Deno.readTextFileSync(pidFile)));
}

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}

function ttun(args: readonly string[], env: Record<string, string> = ENV) {
  return run(...ttunCommand(...args), { env });
}

test("-d: a server; a second one with its number's file is refused; SIGHUP opens the log anew", async () => {
  await using folder = await makeFolder();
  const [pid, log] = [`${folder.path}/pid`, `${folder.path}/log`];
  const at = `${LOOPBACK}:${freePort()}`;
  await Deno.writeTextFile(pid, "4711\n"); // of one that was killed
  const args = ["server", "-d", "--no-tun", "--no-warm-up", "-l", at, "--pid", pid];
  const first = await ttun([...args, "--log-file", log]);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /listening {2}address=/);
  await using server = daemonOf(pid);
  assert.equal(Deno.readLinkSync(`/proc/${server.pid}/fd/2`), "/dev/null");
  assert.match(Deno.readTextFileSync(log), /info {2}listening {2}address=/);

  const taken = await ttun([...args.slice(0, -4), "-l", `${LOOPBACK}:0`, "--pid", pid]);
  assert.equal(taken.code, 8, taken.stderr);
  assert.match(taken.stderr, new RegExp(`process ${server.pid}, which runs, has it`));
  const port = await ttun(args.slice(0, -2));
  assert.equal(port.code, 8, port.stderr);
  assert.match(port.stderr, /^ttun: Cannot listen on /m);

  Deno.renameSync(log, `${log}.1`);
  Deno.kill(server.pid, "SIGHUP");
  const text = () => {
    try {
      return Deno.readTextFileSync(log);
    } catch {
      return "";
    }
  };
  await until(() => text().includes(" reloaded "), () => `no line in the new file: ${text()}`);
  assert(isThere(server.pid));
  Deno.kill(server.pid, "SIGTERM");
  await until(() => !isThere(server.pid), () => "the server does not end");
  assert.throws(() => Deno.statSync(pid), Deno.errors.NotFound);
});

test("-d: both ends of a proxy, with named keys and a password, which no process shows", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const [server, client] = [`${folder.path}/server`, `${folder.path}/client`];
  const keys = `${folder.path}/keys`;
  const password = "correct-horse-battery";
  await Deno.writeTextFile(keys, `# named\nme:${KEY}\n`, { mode: 0o600 });
  const quick = ["--no-warm-up", "--status-name"];
  const first = await ttun(
    ["proxy", "server", "-d", "--pid", server, "--key-file", keys, ...PERMIT, ...quick, "d-server"],
    { NO_COLOR: "1" },
  );
  assert.equal(first.code, 0, first.stderr);
  await using _server = daemonOf(server);
  const port = freePort();
  const line = ["proxy", "client", "-d", "-s", LOOPBACK, "-l", `${port}`, "--pid", client];
  const second = await ttun([...line, ...quick, "d-client"], {
    ...ENV,
    TTUN_PROXY_AUTH: `me:${password}`,
  });
  assert.equal(second.code, 0, second.stderr);
  await using daemon = daemonOf(client);
  for (const file of ["cmdline", "environ"]) {
    const text = Deno.readTextFileSync(`/proc/${daemon.pid}/${file}`);
    assert(text.length > 0 && !text.includes(KEY) && !text.includes(password), text);
  }
  const load = (proxy: string) =>
    run("curl", ["-sS", "--max-time", "10", "-x", proxy, `http://${web.at}/hello`]);
  const good = await load(`socks5h://me:${password}@${LOOPBACK}:${port}`);
  assert.equal(good.stdout, "hello\n", good.stderr);
  assert.notEqual((await load(`socks5h://me:wrong@${LOOPBACK}:${port}`)).code, 0);
});

test("-d: a client passes on why it does not reach its server, and is not with -f or -W", async () => {
  const args = ["client", "-d", "-s", `${LOOPBACK}:${freePort()}`, "-N", "--retries", "0"];
  const failed = await ttun(args);
  assert.equal(failed.code, 4, failed.stderr);
  assert.match(failed.stderr, /Cannot connect to /);
  for (const other of [["-f"], ["-W", `${LOOPBACK}:1`]]) {
    const refused = await ttun([...args, ...other]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--daemon and --\S+ exclude each other/);
  }
  const stdio = await ttun(["server", "-d", "--no-tun", "-l", "stdio:"]);
  assert.equal(stdio.code, 2);
  assert.match(stdio.stderr, /Cannot go to the background with -l stdio:/);
});

test("SIGHUP: other rules of a configuration count at once, and sessions go on", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const [config, log] = [`${folder.path}/server.toml`, `${folder.path}/log`];
  const pids = {
    server: `${folder.path}/server.pid`,
    client: `${folder.path}/client.pid`,
    other: `${folder.path}/other.pid`,
  };
  const [port, local] = [freePort(), freePort()];
  const write = (...lines: string[]) =>
    Deno.writeTextFile(
      config,
      [
        "[[server]]",
        "no-tun = true",
        "no-warm-up = true",
        "no-status = true",
        `listen = "${LOOPBACK}:${port}"`,
        `pid = "${pids.server}"`,
        `log-file = "${log}"`,
        ...lines,
      ].join("\n"),
    );
  await write();
  const started = await ttun(["server", "-d", "--config", config]);
  assert.equal(started.code, 0, started.stderr);
  await using server = daemonOf(pids.server);
  const forward = ["-L", `${LOOPBACK}:${local}:${web.at}`, "--pid", pids.client, "--no-warm-up"];
  const reached = await ttun(["client", "-d", "-s", `${LOOPBACK}:${port}`, ...forward]);
  assert.equal(reached.code, 0, reached.stderr);
  await using client = daemonOf(pids.client);
  const load = async () =>
    (await run("curl", ["-sS", "--max-time", "5", `http://${LOOPBACK}:${local}/hello`])).stdout;
  const lines = () => Deno.readTextFileSync(log).split("\n");
  const reload = async (line: RegExp) => {
    const before = lines().length;
    Deno.kill(server.pid, "SIGHUP");
    const isNew = () => lines().slice(before - 1).some((one) => line.test(one));
    await until(isNew, () => `no line: ${lines().join("\n")}`);
  };
  assert.equal(await load(), "");

  await write(`permit-open = ["127.0.0.0/8"]`, "udp-idle = 7");
  await reload(/ reloaded /);
  assert.match(lines().join("\n"), / rules {2}permit_open=1 deny=0 permit_listen=0/);
  assert.match(lines().join("\n"), /next start only {2}options=udp-idle/);
  assert.equal(await load(), "hello\n");

  await write(`permit-opne = []`);
  await reload(/Cannot reload: .* line 8: .*did you mean permit-open\?/);
  assert.equal(await load(), "hello\n");

  // Code for unix sockets is loaded at the start, while the permissions for it are there.
  const socket = `${folder.path}/socket`;
  await write(`permit-listen = ["unix:${socket}"]`);
  await reload(/ rules .*permit_listen=1/);
  const listening = await ttun([
    ...[
      "client",
      "-d",
      "-s",
      `${LOOPBACK}:${port}`,
      "-R",
      `${socket}:${web.at}`,
      "--pid",
      pids.other,
    ],
    ...["--no-warm-up", "--exit-on-forward-failure", "--retries", "0"],
  ]);
  assert.equal(listening.code, 0, listening.stderr);
  {
    await using _other = daemonOf(pids.other);
    const { stdout } = await run("curl", ["-sS", "--unix-socket", socket, "http://x/hello"]);
    assert.equal(stdout, "hello\n");
  }

  await write(`deny = "127.0.0.0/8"`);
  await reload(/ reloaded /);
  assert.equal(await load(), "");
  assert(isThere(client.pid) && isThere(server.pid));
  assert.equal(lines().filter((line) => line.includes("authenticated")).length, 2);
});

test("-d: both ends of a tunnel with a device, whose commands have run when it returns", async () => {
  await using hosts = await twoHosts();
  await using folder = await makeFolder();
  const start = async (end: "server" | "client", ...args: string[]) => {
    const [pid, mark] = [`${folder.path}/${end}.pid`, `${folder.path}/${end}.up`];
    const hooks = ["--up", `echo $TTUN_DEVICE >${mark}`, "--down", `rm ${mark}`];
    const all = [end, "-d", "--no-warm-up", "--pid", pid, ...hooks, ...args];
    const { code, stderr } = await runTtun(hosts[end], all);
    assert.equal(code, 0, stderr);
    assert.match(Deno.readTextFileSync(mark), /\S/);
    return { daemon: daemonOf(pid), mark };
  };
  const server = await start("server");
  const client = await start("client", "-s", SERVER, "--retries", "0");
  assert.equal(await ping(hosts.client, "10.1.1.1"), 3);
  for (const { daemon, mark } of [client, server]) {
    await daemon[Symbol.asyncDispose]();
    assert.throws(() => Deno.statSync(mark), Deno.errors.NotFound);
  }
});

test("-d: a key file as large as one may be goes along", async () => {
  await using folder = await makeFolder();
  const [pid, keys] = [`${folder.path}/pid`, `${folder.path}/keys`];
  await Deno.writeTextFile(keys, "k".repeat(64 * 1024 - 1), { mode: 0o600 });
  const args = ["server", "-d", "--no-tun", "--no-warm-up", "-l", `${LOOPBACK}:0`];
  const started = await ttun([...args, "--key-file", keys, "--pid", pid], { NO_COLOR: "1" });
  assert.equal(started.code, 0, started.stderr);
  await using _server = daemonOf(pid);
});

test("-d: one that is ended before it is ready is no success", async () => {
  const at = `${LOOPBACK}:${freePort()}`; // nobody listens there
  const [command, args] = ttunCommand("client", "-d", "-s", at, "-L", `0:${at}`, "--no-warm-up");
  await using first = spawnHere(command, args, { env: ENV });
  await first.waitFor(/retry_in_seconds/);
  const children = Deno.readTextFileSync(`/proc/${first.pid}/task/${first.pid}/children`);
  const [child] = children.trim().split(" ").map(Number);
  Deno.kill(child!, "SIGTERM");
  assert.equal((await first.status).code, 9, first.output);
  assert.match(first.output, new RegExp(`Process ${child} .* before it was ready`));
});

test("-d and -f: a link of the command line, or of standard input, goes along and is not shown", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  const at = `${LOOPBACK}:${freePort()}`;
  const pid = `${folder.path}/server`;
  const started = await ttun(["server", "-d", "--no-tun", "-l", at, "--pid", pid, ...PERMIT]);
  assert.equal(started.code, 0, started.stderr);
  await using _server = daemonOf(pid);
  const link = `ttun://${KEY}@${at}?wire=v2`;
  for (const [flag, server] of [["-d", link], ["-f", `-s=${link}`], ["-d", "link:-"]] as const) {
    const [local, own] = [freePort(), `${folder.path}/client`];
    const args = ["client", server, flag, "-L", `${LOOPBACK}:${local}:${web.at}`, "--pid", own];
    const env = { NO_COLOR: "1", HOME: folder.path, DENO_DIR: DENO_FOLDER };
    const client = await run(...ttunCommand(...args, "--no-warm-up"), {
      env,
      stdin: { text: link },
    });
    assert.equal(client.code, 0, client.stderr);
    await using daemon = daemonOf(own);
    const { stdout } = await run("curl", ["-sS", `http://${LOOPBACK}:${local}/hello`]);
    assert.equal(stdout, "hello\n");
    for (const file of ["cmdline", "environ"]) {
      assert(!Deno.readTextFileSync(`/proc/${daemon.pid}/${file}`).includes(KEY), file);
    }
  }
});
