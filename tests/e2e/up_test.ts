/** `ttun up`, `down`, `reload` and `logs`: what a configuration asks for, started as users do it. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { builtBinary } from "./binary.ts";
import { ENV, LOOPBACK, spawnHere, ttunCommand, until } from "./forward_pair.ts";
import { isThere } from "./orphan.ts";
import { KEY, run } from "./proxy_pair.ts";
import { hashOfBulk, serveWeb } from "./proxy_web.ts";

interface World extends AsyncDisposable {
  readonly name: string;
  readonly file: string;
  readonly folder: string;
  write(text: string): Promise<void>;
  ttun(...args: string[]): ReturnType<typeof run>;
}

/** A folder with a configuration of a name that nothing else has. Disposal takes it down. */
async function makeWorld(env: Record<string, string> = ENV): Promise<World> {
  const folder = await Deno.makeTempDir({ prefix: "ttun-test-" });
  const name = `test-up-${crypto.randomUUID().slice(0, 8)}`;
  const file = `${folder}/${name}.toml`;
  const all = { NO_COLOR: "1", LOGS_DIRECTORY: folder, ...env };
  const ttun = (...args: string[]) => run(...ttunCommand(...args), { env: all });
  return {
    name,
    file,
    folder,
    write: (text) => Deno.writeTextFile(file, text, { mode: 0o600 }),
    ttun,
    [Symbol.asyncDispose]: async () => {
      await ttun("down", name);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: LOOPBACK, port: 0 });
  return listener.addr.port;
}

function pidsOf(stdout: string): number[] {
  return [...stdout.matchAll(/\(process (\d+)/g)].map(([, pid]) => Number(pid));
}

function pair(port: number, local: number, target: string): string {
  return `
[[server]]
no-tun = true
no-warm-up = true
listen = "${LOOPBACK}:${port}"
permit-open = "127.0.0.0/8"

[[client]]
server = "${LOOPBACK}:${port}"
no-warm-up = true
local-forward = ["${LOOPBACK}:${local}:${target}"]
exit-on-forward-failure = true
retries = 3
`;
}

test("up: all of a file is up when it returns; a second time is refused; down ends exactly that", async () => {
  await using web = serveWeb();
  await using world = await makeWorld();
  const { name, file, folder, ttun } = world;
  const [port, local] = [freePort(), freePort()];
  await world.write(pair(port, local, web.at));
  const up = await ttun("up", file);
  assert.equal(up.code, 0, up.stderr);
  const pids = pidsOf(up.stdout);
  assert.equal(pids.length, 2, up.stdout);
  assert.match(
    up.stdout,
    new RegExp(`^${name}: client is up .*, log ${folder}/${name}\\.client\\.log`, "m"),
  );
  const loaded = await run("curl", [
    "-sS",
    "--max-time",
    "10",
    `http://${LOOPBACK}:${local}/hello`,
  ]);
  assert.equal(loaded.stdout, "hello\n", loaded.stderr);
  for (const pid of pids) {
    for (const part of ["cmdline", "environ"]) {
      const text = Deno.readTextFileSync(`/proc/${pid}/${part}`);
      assert(text.length > 0 && !text.includes(KEY), text);
    }
  }

  const again = await ttun("up", file);
  assert.equal(again.code, 8);
  assert.match(again.stderr, new RegExp(`${name} is up already, from ${file}`));
  const status = await ttun("status", `${name}-client`);
  assert.equal(status.code, 0, status.stderr);

  const log = `${folder}/${name}.server.log`;
  Deno.renameSync(log, `${log}.1`);
  assert.equal((await ttun("reload", name)).code, 0);
  const text = () => {
    try {
      return Deno.readTextFileSync(log);
    } catch {
      return "";
    }
  };
  await until(() => text().includes(" reloaded "), () => `not reloaded: ${text()}`);
  const logs = await ttun("logs", file, "-n", "1");
  assert.match(logs.stdout, new RegExp(`^==> ${log} <==\\n\\S+ info {2}reloaded .*\\n==> `));

  const down = await ttun("down", name);
  assert.equal(down.code, 0, down.stderr);
  assert(!pids.some(isThere));
  const twice = await ttun("down", name);
  assert.equal(twice.code, 4);
  assert.match(twice.stderr, /is not up$/m);
});

test("reload: drops nothing of transfers that are under way, nor new connections meanwhile", async () => {
  await using web = serveWeb();
  await using world = await makeWorld();
  const { name, file, folder, ttun } = world;
  const [port, local] = [freePort(), freePort()];
  await world.write(pair(port, local, web.at));
  const up = await ttun("up", file);
  assert.equal(up.code, 0, up.stderr);
  const size = 4 << 20;
  const url = `http://${LOOPBACK}:${local}`;
  const load = `curl -sS --limit-rate 1M ${url}/bulk/${size} | sha256sum`;
  const hash = hashOfBulk(size);
  let isEnough = false;
  /** Some are always in the middle of a transfer. */
  const loader = async () => {
    while (!isEnough) {
      const { stdout, stderr } = await run("sh", ["-c", load]);
      assert.equal(stdout, `${hash}  -\n`, stderr);
    }
  };
  const loads = Promise.all(Array.from({ length: 8 }, loader));
  loads.catch(() => {}); // is told below
  for (let reloads = 0; reloads < 3; reloads++) {
    // Rules that are other ones each time.
    const more = `permit-listen = "127.0.0.1:${20_000 + reloads}"`;
    await world.write(pair(port, local, web.at).replace("permit-open", `${more}\npermit-open`));
    const { code, stderr } = await ttun("reload", name);
    assert.equal(code, 0, stderr);
    const hello = await run("curl", ["-sS", "--max-time", "20", `${url}/hello`]);
    assert.equal(hello.stdout, "hello\n", hello.stderr);
  }
  isEnough = true;
  await loads;
  const log = Deno.readTextFileSync(`${folder}/${name}.server.log`);
  assert.equal(log.match(/ authenticated /g)?.length, 1, log);
  assert.match(log, / rules .*permit_listen=1/);
});

test("up and down: the executable, whose runtime may be an older one", async () => {
  await using world = await makeWorld();
  const { file: program } = await builtBinary();
  const pidFile = `${world.folder}/pid`;
  await world.write(`
[server]
no-tun = true
no-warm-up = true
listen = "${LOOPBACK}:0"
pid = "${pidFile}"
`);
  const ttun = (...args: string[]) =>
    run(program, args, { env: { ...ENV, LOGS_DIRECTORY: world.folder } });
  const up = await ttun("up", world.file);
  assert.equal(up.code, 0, up.stderr);
  const [pid] = pidsOf(up.stdout);
  assert(up.stdout.includes(`, log ${world.folder}/${world.name}.server.log)`), up.stdout);
  assert.equal(Number(Deno.readTextFileSync(pidFile)), pid);
  assert.equal((await ttun("up", world.file)).code, 8);
  const taken = await ttun("server", "--no-tun", "-l", `${LOOPBACK}:0`, "--pid", pidFile);
  assert.equal(taken.code, 8, taken.stderr);
  const down = await ttun("down", world.name);
  assert.equal(down.code, 0, down.stderr);
  assert(!isThere(pid!));
});

test("up: a failure takes back what was up, with its exit code; a wrong file starts nothing", async () => {
  await using world = await makeWorld();
  const [port, taken] = [freePort(), Deno.listen({ hostname: LOOPBACK, port: 0 })];
  using _taken = taken;
  await world.write(pair(port, taken.addr.port, "127.0.0.1:1"));
  const up = await world.ttun("up", world.file);
  assert.equal(up.code, 8, up.stderr);
  assert.match(up.stderr, /Cannot listen on .*: the port is taken/);
  assert.match(up.stderr, /is not up: client has ended with 8$/m);
  Deno.listen({ hostname: LOOPBACK, port }).close(); // the server has ended
  assert.equal((await world.ttun("down", world.name)).code, 4);

  await world.write("[[client]]\nservr = 'x'\n");
  const wrong = await world.ttun("up", world.file);
  assert.equal(wrong.code, 2);
  assert.match(
    wrong.stderr,
    /line 2: there is no setting "servr" of client; did you mean server\?$/m,
  );
  await world.write("[[status]]\n");
  assert.match(
    (await world.ttun("up", world.file)).stderr,
    /ends by itself: ttun up runs server, /,
  );
});

test("up --foreground: stays with the logs, ends all at a signal, or when one of them ends", async () => {
  await using world = await makeWorld();
  const port = freePort();
  await world.write(`
[[server]]
no-tun = true
no-warm-up = true
listen = "${LOOPBACK}:${port}"
[[proxy.client]]
server = "${LOOPBACK}"
listen = "${LOOPBACK}:0"
no-warm-up = true
`);
  const start = async () => {
    const [command, args] = ttunCommand("up", world.file, "--foreground");
    const up = spawnHere(command, args, { env: ENV });
    await up.waitFor(/proxy client[^]* listening {2}address=/, 20_000);
    const children = `/proc/${up.pid}/task/${up.pid}/children`;
    await until(
      () => Deno.readTextFileSync(children).trim().split(" ").length === 2,
      () => up.output,
    );
    return { up, pids: Deno.readTextFileSync(children).trim().split(" ").map(Number) };
  };
  {
    const { up, pids } = await start();
    await using _up = up;
    await until(() => /^\{"config".*proxy client/.test(stateOf(world.name)), () => up.output);
    up.signal("SIGTERM");
    assert.equal((await up.status).code, 0, up.output);
    assert(!pids.some(isThere));
  }
  const { up, pids } = await start();
  await using _up = up;
  await until(() => /proxy client/.test(stateOf(world.name)), () => up.output);
  Deno.kill(pids[0]!, "SIGKILL");
  assert.equal((await up.status).code, 137, up.output);
  assert(!pids.some(isThere));
  assert.equal(stateOf(world.name), "");
});

test("up --foreground: SIGHUP reaches what it has started; another run's record is not its own", async () => {
  await using world = await makeWorld();
  const { name, ttun } = world;
  await world.write(`
[server]
no-tun = true
no-warm-up = true
listen = "${LOOPBACK}:0"
`);
  const [command, args] = ttunCommand("up", world.file, "--foreground");
  const up = spawnHere(command, args, { env: ENV });
  await using _up = up;
  await until(() => /"pid"/.test(stateOf(name)), () => up.output);
  const pid = Number(/"pid":(\d+)/.exec(stateOf(name))![1]);
  up.signal("SIGHUP");
  await up.waitFor(/reloaded .*parts=[^]*reloaded .*parts=/, 10_000);
  assert(isThere(pid), up.output);

  up.signal("SIGSTOP");
  assert.equal((await ttun("down", name)).code, 0);
  assert.equal((await ttun("up", world.file)).code, 0);
  const later = stateOf(name);
  up.signal("SIGCONT");
  assert.equal((await up.status).code, 0, up.output);
  assert.equal(stateOf(name), later);
  assert.equal((await ttun("down", name)).code, 0);
});

test("down and reload: a path is of that file only, a name of whatever is up by it", async () => {
  await using world = await makeWorld();
  const { name, file, folder, ttun } = world;
  await world.write(`[server]\nno-tun = true\nno-warm-up = true\nlisten = "${LOOPBACK}:0"\n`);
  assert.equal((await ttun("up", file)).code, 0);
  for (const command of ["down", "reload"]) {
    const other = await ttun(command, `${folder}/other/${name}.toml`);
    assert.equal(other.code, 2, other.stderr);
    assert(other.stderr.includes(`${name} is up from ${file}, not from `), other.stderr);
  }
  assert.equal((await ttun("reload", `${folder}/./${name}.toml`)).code, 0);
  assert.equal((await ttun("down", file)).code, 0);
});

function stateOf(name: string): string {
  try {
    return Deno.readTextFileSync(`/run/ttun/up/${name}.json`);
  } catch {
    return "";
  }
}
