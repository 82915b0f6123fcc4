import assert from "node:assert/strict";
import { test } from "../check.ts";
import { startNameServer } from "../fixture/name_server.ts";
import {
  endWell,
  KEY,
  portOf,
  type Process,
  run,
  type Spawn,
  spawnHere,
  startClient,
  startServer,
} from "./proxy_pair.ts";
import { ENV, ttunCommand } from "./tunnel.ts";
import { serveWeb } from "./proxy_web.ts";

const DEAD = 200;

/** Name service files that a spawned program sees in place of the machine's own. */
class NameFiles implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "ttun-names-" });
  readonly #files = ["resolv.conf", "hosts", "nsswitch.conf"];

  constructor(o: { hosts?: string; switch?: string } = {}) {
    Deno.chmodSync(this.folder, 0o755);
    this.write("resolv.conf", "nameserver 127.0.0.1\n");
    this.write("hosts", o.hosts ?? "127.0.0.1 localhost\n");
    this.write("nsswitch.conf", `hosts: ${o.switch ?? "files dns"}\n`);
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text);
  }

  readonly spawn: Spawn = (command, args, options) => {
    const mounts = this.#files.map((name) =>
      `touch /etc/${name}; mount --bind ${this.folder}/${name} /etc/${name}`
    );
    const script = `${mounts.join("\n")}\nexec "$@"`;
    return spawnHere("unshare", ["-m", "sh", "-euc", script, "sh", command, ...args], options);
  };

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

async function load(client: Process, url: string) {
  const args = ["-sS", "--max-time", "9", "-w", " %{http_code} %{time_total}"];
  const { stdout } = await run("curl", [...args, "-x", `http://127.0.0.1:${portOf(client)}`, url]);
  const [, text, code, seconds] = /^([^]*) (\d+) ([\d.]+)$/.exec(stdout)!;
  return { text: text!, code: Number(code), seconds: Number(seconds) };
}

/** Many names at once through a client, which wait until it is disposed of. */
function loadDead(client: Process, first = 1): Process {
  const proxy = `socks5h://127.0.0.1:${portOf(client)}`;
  const at = `http://dead[${first}-${first + DEAD - 1}].test/`;
  return spawnHere("curl", [
    "-sZ",
    "--parallel-immediate",
    "--parallel-max",
    "300",
    "-x",
    proxy,
    at,
  ]);
}

test("a good name beside 200 that no name server answers is there at once, past the tunnel and through it", async () => {
  await using names = await startNameServer("127.0.0.1", 53);
  await using web = serveWeb();
  const port = web.at.split(":")[1];
  using files = new NameFiles();
  await using stack = new AsyncDisposableStack();
  const { spawn } = files;
  const args = ["--user", "nobody"];
  stack.adopt(await startServer({ spawn, args }), endWell);
  const ways = { through: [], past: ["--direct", "test"] };
  for (const [way, direct] of Object.entries(ways)) {
    // The server's own name is one of them.
    const first = stack.adopt(
      await startClient({ spawn, args: [...args, ...direct, "-s", "good.test"] }),
      endWell,
    );
    await using _dead = loadDead(first);
    const before = names.asked.length;
    await until(() => names.asked.length - before >= 2 * DEAD);
    for (const url of [`http://v4.test:${port}/hello`, `http://${web.at}/hello`]) {
      const { text, seconds } = await load(first, url);
      assert.equal(text, "hello\n", `${way}: ${first.output.slice(-500)}`);
      assert(seconds < 4, `${way}: ${seconds} s, where a name without an answer takes 10`);
    }
  }
});

test("one key's names without an answer hold up no other key's, from however many programs", async () => {
  await using names = await startNameServer("127.0.0.1", 53);
  await using web = serveWeb();
  const port = web.at.split(":")[1];
  using files = new NameFiles();
  const keys = `${files.folder}/keys`;
  Deno.writeTextFileSync(keys, `greedy:${KEY}\nother:${KEY}other\n`, { mode: 0o600 });
  await using stack = new AsyncDisposableStack();
  const { spawn } = files;
  const noKey = { TTUN_KEY: "" };
  stack.adopt(await startServer({ spawn, args: ["--key-file", keys], env: noKey }), endWell);
  const greedy = stack.adopt(await startClient(), endWell);
  const other = stack.adopt(await startClient({ env: { TTUN_KEY: `${KEY}other` } }), endWell);
  const dead = [1, 1001, 2001].map((first) => loadDead(greedy, first));
  for (const one of dead) stack.use(one);
  const before = names.asked.length;
  await until(() => names.asked.length - before >= 2 * 256);
  for (let i = 0; i < 5; i++) {
    const { text, seconds } = await load(other, `http://v4.test:${port}/hello`);
    assert.equal(text, "hello\n");
    assert(seconds < 4, `${seconds} s`);
  }
});

test("files are read again when they change, also by another user", async () => {
  await using names = await startNameServer("127.0.0.1", 53);
  await using web = serveWeb();
  const port = web.at.split(":")[1];
  using files = new NameFiles({ hosts: "127.0.0.1 first.example # one\n" });
  await using stack = new AsyncDisposableStack();
  const args = ["--user", "nobody"];
  stack.adopt(await startServer({ spawn: files.spawn, args }), endWell);
  const client = stack.adopt(await startClient({ args }), endWell);
  const hello = async (name: string) => (await load(client, `http://${name}:${port}/hello`)).text;
  assert.equal(await hello("first.example"), "hello\n");
  assert.match(await hello("second.example"), /name does not resolve/);
  files.write("hosts", "127.0.0.1 second.example\n");
  await new Promise((resolve) => setTimeout(resolve, 1100)); // it is looked at once a second
  assert.equal(await hello("second.example"), "hello\n");
  const before = names.asked.length;
  assert.match(await hello("first.example"), /name does not resolve/);
  assert(names.asked.length > before, "it is asked for elsewhere now");
  files.write("resolv.conf", "nameserver 127.0.0.9\noptions timeout:1 attempts:1\n");
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.match(await hello("v4.test"), /name does not resolve/, "nothing listens there");
});

test("when name servers go dark, a tunnel comes back by its server's last address, and says why", async () => {
  await using names = await startNameServer("127.0.0.1", 53);
  using files = new NameFiles();
  files.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  await using stack = new AsyncDisposableStack();
  const start = (ready: RegExp, ...args: string[]) =>
    startTunnelEnd(files.spawn, ready, [...args, "-v"]).then((end) => stack.use(end));
  const server = await start(/ listening /, "server", "-l", "127.0.0.1:20203");
  const client = await start(/ authenticated /, "client", "-s", "brief.test:20203");
  await until(() => names.asked.length > 0);
  names.isDark = true;
  await new Promise((resolve) => setTimeout(resolve, 1100)); // what was answered held for a second
  const since = client.lineCount;
  await server[Symbol.asyncDispose]();
  await start(/ listening /, "server", "-l", "127.0.0.1:20203");
  await client.waitFor(/ authenticated /, 10_000, since);
  const why = /the name brief\.test does not resolve at the moment .*the last address 127\.0\.0\.1/;
  await client.waitFor(why, 10_000, since);
  assert.doesNotMatch(client.output, /clock|password|wrong key/);
});

/** Both ends in the run's own namespace: what goes through the tunnel is no matter here. */
async function startTunnelEnd(spawn: Spawn, ready: RegExp, args: string[]): Promise<Process> {
  const [command, all] = ttunCommand(...args);
  await using stack = new AsyncDisposableStack();
  const end = stack.use(spawn(command, all, { env: ENV }));
  await end.waitFor(ready);
  stack.move();
  return end;
}

async function until(isSo: () => boolean): Promise<void> {
  const late = Date.now() + 10_000;
  while (!isSo()) {
    assert(Date.now() < late, "it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
