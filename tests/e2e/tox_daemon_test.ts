/** `ttun tox` in the background, from a configuration, and what it tells of itself. */
import assert from "node:assert/strict";
import { test } from "../check.ts";
import { requireOwnNamespace } from "../own_namespace.ts";
import { settleCallbacks } from "../settle_callbacks.ts";
import { LOOPBACK, until } from "./forward_pair.ts";
import { isThere, orphan } from "./orphan.ts";
import { type Folder, makeFolder } from "./proxy_files.ts";
import { run } from "./proxy_pair.ts";
import { lacksToxcore, openNetwork, TOX_LINK_MS } from "./tox_lab.ts";
import { ttunCommand } from "./tunnel.ts";

requireOwnNamespace();
settleCallbacks();

const SECRET = "open-sesame-of-the-test";

/** Runs ttun with a state directory and a folder of sockets of its own. */
function ttunIn({ path }: Folder, env: Record<string, string> = {}) {
  const own = { NO_COLOR: "1", STATE_DIRECTORY: path, LOGS_DIRECTORY: path, ...env };
  return (...args: string[]) => run(...ttunCommand(...args), { env: own, timeoutMs: TOX_LINK_MS });
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return ""; // it is not there yet
  }
}

test({
  name: "tox: ttun up runs both ends of a configuration, and status and metrics tell of them",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const { path } = folder;
    const nodes = `${path}/nodes.json`;
    using _network = openNetwork(nodes, 43_000);
    const server = `tox-${crypto.randomUUID().slice(0, 8)}-server`;
    const client = server.replace("server", "client");
    const ttun = ttunIn(folder, { TUNTOX_SHARED_SECRET: SECRET });
    await using web = Deno.serve(
      { hostname: LOOPBACK, port: 0, onListen: () => {} },
      () => new Response("hello\n"),
    );
    const write = (name: string, text: string) =>
      Deno.writeTextFile(`${path}/${name}.toml`, `[[tox]]\nnodes = "${nodes}"\n${text}`);
    const permit = `permit-open = "${LOOPBACK}"`;
    const ports = `udp-ports = "43001"\nid-file = "${path}/id"\nmetrics = 43003`;
    await write(server, `${ports}\n${permit}`);
    await using stack = new AsyncDisposableStack();
    for (const name of [client, server]) stack.defer(async () => void await ttun("down", name));

    const up = await ttun("up", `${path}/${server}.toml`);
    assert.equal(up.code, 0, up.stderr);
    const id = await Deno.readTextFile(`${path}/id`);
    const forward = `local-forward = ["43080:${LOOPBACK}:${web.addr.port}"]`;
    await write(client, `udp-ports = "43002"\nid = ["${id}"]\n${forward}\nmetrics = 43004`);
    // It ends when the server is online.
    const connected = await ttun("up", `${path}/${client}.toml`);
    assert.equal(connected.code, 0, connected.stderr + read(`${path}/${server}.tox.log`));
    const loaded = await run("curl", ["-sS", "--max-time", "60", `http://${LOOPBACK}:43080/`]);
    assert.equal(loaded.stdout, "hello\n", loaded.stderr);

    const facts = await ttun("status", server);
    assert.match(facts.stdout, new RegExp(`^ {2}Tox ID +${id}$`, "m"), facts.stderr);
    assert.match(facts.stdout, /^ {2}online .*; requests: 1 let in, 0 refused$/m);
    assert.match(facts.stdout, /^ {2}session \d+ +tox:[0-9A-F]{64}, wire v2, /m);
    const json = JSON.parse((await ttun("status", client, "--json")).stdout);
    assert.equal(json.server, `tox:${id}`);
    assert.equal(json.connections.served, 1);
    assert.equal(json.sessions.length, 1);
    assert.ok(json.sessions[0].sentBytes > 0 && json.sessions[0].receivedBytes > 0);
    assert.equal(json.tox.friends.udp + json.tox.friends.relay, 1);
    assert.equal(json.forwards[0].to, `${LOOPBACK}:${web.addr.port}`);
    const page = async (port: number, name: string) => {
      const response = await fetch(`http://${LOOPBACK}:${port}/${name}`);
      return `${response.status} ${await response.text()}`;
    };
    const metrics = await page(43_003, "metrics");
    assert.match(metrics, /^ttun_tox_requests_total\{verdict="let in"\} 1$/m);
    assert.match(metrics, /^ttun_sessions 1$/m);
    assert.match(await page(43_004, "readyz"), /^200 /);

    // Other rules count at once.
    await write(server, ports);
    assert.equal((await ttun("reload", server)).code, 0);
    const log = `${path}/${server}.tox.log`;
    await until(() => read(log).includes("rules  permit_open=0"), () => read(log));
    const refused = await run("curl", ["-sS", "--max-time", "60", `http://${LOOPBACK}:43080/`]);
    assert.notEqual(refused.code, 0);
    assert.equal((await ttun("down", server)).code, 0);
    const end = performance.now() + TOX_LINK_MS;
    while (!(await page(43_004, "readyz")).startsWith("503 ")) {
      assert.ok(performance.now() < end, "a client without its server is ready");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    for (const name of [server, client]) {
      assert.ok(!read(`${path}/${name}.tox.log`).includes(SECRET));
    }
  },
});

test({
  name: "tox -z: a server in the background, its number's file, another user, the system's log",
  ignore: lacksToxcore(),
  fn: async () => {
    await using folder = await makeFolder();
    const { path } = folder;
    await Deno.chmod(path, 0o755);
    const [pid, identity] = [`${path}/pid`, `${path}/identity`];
    const words = ["tox", "-z", "-F", pid, "-C", identity, "-s", SECRET, "-u", "43005"];
    const first = await ttunIn(folder)(...words, "-U", "65534", "--no-status");
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /Tox server .*id=[0-9A-F]{76}/);
    await using daemon = orphan(Number(Deno.readTextFileSync(pid)));
    const process = `/proc/${daemon.pid}`;
    assert.match(Deno.readTextFileSync(`${process}/status`), /^Uid:\t65534\t65534/m);
    for (const file of ["cmdline", "environ"]) {
      const text = Deno.readTextFileSync(`${process}/${file}`);
      assert.ok(text.length > 0 && !text.includes(SECRET), text);
    }
    const again = await ttunIn(folder)(...words);
    assert.equal(again.code, 8, again.stderr);
    const same = ["tox", "-C", identity, "-s", SECRET, "-u", "43006"];
    const twice = await ttunIn(folder)(...same);
    assert.equal(twice.code, 8, twice.stderr);
    assert.match(twice.stderr, /Another ttun runs with the identity/);
    Deno.kill(daemon.pid, "SIGTERM");
    await until(() => !isThere(daemon.pid), () => "it does not end");

    const failed = await ttunIn(folder)("tox", "-z", "-C", identity, "-u", "43005");
    assert.equal(failed.code, 2);
    assert.match(failed.stderr, /Cannot serve without a secret/);
    for (const other of [["-p"], ["-W", "127.0.0.1:1"]]) {
      const refused = await ttunIn(folder)("tox", "-z", "-i", "0".repeat(76), ...other);
      assert.equal(refused.code, 2);
      assert.match(refused.stderr, /Cannot go to the background with -W or -p/);
    }
  },
});
