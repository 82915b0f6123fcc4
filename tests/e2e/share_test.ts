import assert from "node:assert/strict";
import { test } from "../check.ts";
import {
  endWell,
  ENV,
  listensAt,
  PERMIT,
  portsOf,
  type Process,
  spawnHere,
  spawnTtun,
  startServer,
  ttunCommand,
} from "./forward_pair.ts";
import { makeFolder } from "./proxy_files.ts";
import { KEY, LOOPBACK, run } from "./proxy_pair.ts";
import { serveWeb } from "./proxy_web.ts";

async function works(client: Process): Promise<void> {
  await client.waitFor(/ authenticated /, 20_000);
  const url = `http://${LOOPBACK}:${portsOf(client)[0]}/hello`;
  const { stdout, stderr } = await run("curl", ["-sS", url]);
  assert.equal(stdout, "hello\n", stderr + client.output);
  assert(!client.output.includes(KEY), "the key is in the log");
}

test("a link is all that a client needs, from a file, from standard input, and as an argument that ps does not show", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer({ args: PERMIT }), endWell);
  await server.waitFor(/ ttun share HOST prints a link /);
  const file = `${folder.path}/link`;
  const [command, args] = ttunCommand("share", listensAt(server), "--out", file);
  const shared = await run(command, args, { env: ENV });
  assert.equal(shared.code, 0, shared.stderr);
  assert.doesNotMatch(shared.stdout, new RegExp(KEY));
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  const link = Deno.readTextFileSync(file).trim();
  assert.equal(link, `ttun://${KEY}@${listensAt(server)}?wire=v2`);
  const start = (server: string) =>
    stack.adopt(
      spawnTtun(["client", server, "-L", `0:${web.at}`], { env: { TTUN_KEY: "" } }),
      endWell,
    );
  await works(start(`link:${file}`));
  const given = start(link);
  await works(given);
  assert.match(given.output, /link given as an argument was visible .* use link:FILE/);
  const shown = Deno.readTextFileSync(`/proc/${given.pid}/cmdline`);
  assert(!shown.includes(KEY) && shown.includes("xxxx"), shown);
  const script = 'exec "$@" < "$0"';
  const [ttun, all] = ttunCommand("client", "link:-", "-L", `0:${web.at}`, "-v");
  const piped = stack.use(spawnHere("sh", ["-c", script, file, ttun, ...all], {
    env: { TTUN_KEY: "", NO_COLOR: "1" },
  }));
  await works(piped);
  // It is written once, and never over another file.
  const again = await run(command, args, { env: ENV });
  assert.equal(again.code, 2);
  assert.match(again.stderr, /it is there already/);
});

test("a link is printed on a terminal alone, with its QR code; beside a key it is refused", async () => {
  const [command, args] = ttunCommand("share", "vpn.example.net");
  const refused = await run(command, args, { env: ENV });
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /give --out FILE, or run this on a terminal/);
  assert.equal(refused.stdout, "");
  const line = [command, ...args].map((word) => `'${word}'`).join(" ");
  const typed = await run("script", ["-qec", line, "/dev/null"], { env: ENV });
  assert.match(
    typed.stdout,
    new RegExp(`ttun client 'ttun://${KEY}@vpn\\.example\\.net:20203\\?wire=v2'`),
  );
  assert.match(typed.stdout, /█ ▄▄▄▄▄ █/);
  assert(typed.stdout.indexOf("ttun client link:") < typed.stdout.indexOf("ttun client 'ttun:"));
  const [ranged, more] = ttunCommand("share", "h:1", "--range", "2000-3000", "-o", "/dev/null");
  const twice = await run(ranged, more, { env: ENV });
  assert.equal(twice.code, 2);
  assert.match(twice.stderr, /Cannot share a port beside --range/);
  const [client, both] = ttunCommand("client", "ttun://abc@192.0.2.1:1", "-k", "def", "-N");
  const { code, stderr } = await run(client, both, { env: { TTUN_KEY: "" } });
  assert.equal(code, 2);
  assert.match(stderr, /a key beside a link/);
  assert.doesNotMatch(stderr, /abc|def@/);
});

test("programs that ttun starts do not get the link of TTUN_SERVER, nor does its process in the background", async () => {
  await using web = serveWeb();
  await using folder = await makeFolder();
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await startServer({ args: PERMIT }), endWell);
  const env = { TTUN_KEY: "", TTUN_SERVER: `ttun://${KEY}@${listensAt(server)}` };

  const name = `test-share-${crypto.randomUUID().slice(0, 8)}`;
  const named = ["--status-name", name, "-v"];
  const [client, args] = ttunCommand("client", "-d", "-L", `0:${web.at}`, ...named);
  const started = await run(client, args, { env });
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stderr, / authenticated /);
  for (const way of [[], ["--dump"]]) {
    const { stdout } = await run(...ttunCommand("status", name, ...way));
    assert(stdout.includes(listensAt(server)) && !stdout.includes(KEY), stdout);
  }
  const found = await run(...ttunCommand("status", name, "--json"));
  assert(!found.stdout.includes(KEY) && !started.stderr.includes(KEY), found.stdout);
  const { pid } = JSON.parse(found.stdout) as { pid: number };
  stack.defer(() => Deno.kill(pid, "SIGTERM"));
  const inherited = Deno.readTextFileSync(`/proc/${pid}/environ`);
  assert(inherited.includes("TTUN_SERVER=ttun://\0") && !inherited.includes(KEY), inherited);

  const file = `${folder.path}/environment`;
  const [other, command] = ttunCommand("client", `exec:env > ${file}; false`, "--once", "-N");
  await run(other, command, { env: { ...env, TTUN_KEY: "another-key" } });
  const got = Deno.readTextFileSync(file);
  assert(got.includes("TTUN_SERVER=ttun://\n") && !got.includes(KEY), got);
});
